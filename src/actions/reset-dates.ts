// `uus doctor --reset-date`: dates begin anew after the clock was wrong.
import { z } from 'zod'
import { type DatesReset, isNothingAhead, resetDates } from '../repo/reset-dates.ts'
import { type Outcome, step, stepAction } from './action.ts'
import { reason } from './shared.ts'

const input = z.object({ reason })

export interface ResetDatesResult extends Outcome, DatesReset {}

export const resetDatesAction = stepAction(
  { verb: 'reset dates', role: 'admin', input: input as z.ZodType<z.output<typeof input>> },
  step<z.output<typeof input>, ResetDatesResult>('reset dates', async ({ repo }, order, call) => {
    const reset = await resetDates(repo, order.reason, call.actor)
    return { status: isNothingAhead(reset) ? 'nothing' : 'done', ...reset }
  }),
)

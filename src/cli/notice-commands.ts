// `uus notice …`: what was told to webhooks and mail, and what could not be brought there.
import type { NoticeEntry, RetryResult } from '../actions/notices.ts'
import { type CommandGroup, items, text } from './command.ts'
import type { Output } from './output.ts'
import type { Render } from './run.ts'

export const noticeGroup: CommandGroup = {
  describe: 'Notices to webhooks and mail: list, retry',
  commands: [
    {
      command: 'list',
      describe: 'Notices and how far their deliveries came, newest first',
      verb: 'notice list',
      examples: [['uus notice list --state dead', 'what was given up']],
      options: (command) =>
        command
          .option('state', { choices: ['waiting', 'done', 'dead'] as const, describe: 'Only these' })
          .option('limit', { type: 'number', default: 50, describe: 'At most so many' }),
      input: (values) => ({ state: text(values.state), limit: values.limit }),
      render: items(renderNotices as never),
    },
    {
      command: 'retry [id]',
      describe: 'Try again what was given up: one notice, or all',
      verb: 'notice retry',
      input: (values) => ({ id: text(values.id) }),
      render: renderRetry as Render,
    },
  ],
}

function renderNotices(entries: readonly NoticeEntry[], out: Output): void {
  if (entries.length === 0) out.line('Nothing was told to anybody.')
  out.table(
    ['time', 'event', 'what', 'to', 'state', 'attempts', 'notice'],
    entries.map((one) => [
      out.time(one.at),
      one.event,
      one.summary,
      one.target,
      one.state === 'dead' ? `given up: ${one.error ?? ''}` : one.state,
      String(one.attempts),
      one.id,
    ]),
  )
}

function renderRetry({ count }: RetryResult, out: Output): void {
  out.line(
    count === 0
      ? 'Nothing was given up.'
      : `${count} ${count === 1 ? 'delivery is' : 'deliveries are'} tried again now.`,
  )
}

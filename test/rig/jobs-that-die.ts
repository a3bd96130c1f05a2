// A jobs process that dies in the middle of its first call and works after that. The file that tells it that it
// died once is named by its argument.
import { existsSync, writeFileSync } from 'node:fs'
import type { JobsAnswer, JobsRequest } from '../../src/actions/forked-jobs.ts'

const mark = process.argv[2]!
const answer = (message: JobsAnswer) => process.send!(message)

process.on('message', (message) => {
  const request = message as JobsRequest
  if (request.type === 'start') {
    answer({ type: 'ready' })
  } else if (existsSync(mark)) {
    answer({ type: 'event', id: request.id, event: { type: 'note', message: 'second' } })
    answer({ type: 'changed' })
    answer({ type: 'result', id: request.id, value: `${request.step} by ${request.actor.name}` })
  } else {
    writeFileSync(mark, '')
    answer({ type: 'event', id: request.id, event: { type: 'note', message: 'first' } })
    setTimeout(() => process.kill(process.pid, 'SIGKILL'), 20)
  }
})
process.on('disconnect', () => process.exit())

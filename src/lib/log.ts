// Log lines: JSON for machines (pino), or plain lines for a person at a terminal.
import { pino } from 'pino'
import { formatIso } from './units.ts'

export type Level = 'info' | 'warn' | 'error'

export type Log = (level: Level, message: string, fields?: Readonly<Record<string, unknown>>) => void

export type LogFormat = 'text' | 'json'

/** Writes to stderr, at once. */
export function createLog(format: LogFormat, now: () => number): Log {
  if (format === 'json') {
    const logger = pino(
      { base: null, timestamp: pino.stdTimeFunctions.isoTime },
      pino.destination({ dest: 2, sync: true }),
    )
    return (level, message, fields) => logger[level](fields ?? {}, message)
  }
  return (level, message, fields) => {
    const details = Object.entries(fields ?? {}).map(([name, value]) => ` ${name}=${formatValue(value)}`)
    const mark = level === 'info' ? '' : `${level}: `
    process.stderr.write(`${formatIso(now())} ${mark}${message}${details.join('')}\n`)
  }
}

function formatValue(value: unknown): string {
  return typeof value === 'string' && !/\s/.test(value) ? value : JSON.stringify(value)
}

// The heads of requests that can be read in one way only: a GET with a path, no body, no doubt. Everything else is for
// node:http to read, so that there are never two opinions of where a request ends.

/** The headers that an answer with a file depends on. */
export interface Conditions {
  readonly range?: string | undefined
  readonly 'if-range'?: string | string[] | undefined
  readonly 'if-none-match'?: string | undefined
  readonly 'if-modified-since'?: string | undefined
}

export interface SimpleGet {
  /** As it was sent, with its query. */
  readonly target: string
  readonly conditions: Conditions
  /** Where the head ends in the bytes it was read from. */
  readonly end: number
}

/** apt's heads have a tenth of this. */
const maxHeadBytes = 4 << 10
const headEnd = '\r\n\r\n'
const beginning = 'GET /'

// RFC 9112 §3 and RFC 9110 §5, without what they allow for the sake of old senders: no byte above ASCII, no folded line.
const requestLine = /^GET (\/[\x21-\x7e]*) HTTP\/1\.1$/
// One class for blanks and value: of two that overlap each split would be tried, which takes the square of the length.
const headerLine = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):([\t\x20-\x7e]*)$/

/** Says where the request ends, or what becomes of the connection. */
const decisive = new Set(['content-length', 'expect', 'proxy-connection', 'transfer-encoding', 'upgrade'])

const counted = new Set(['host', 'connection', 'range', 'if-range', 'if-none-match', 'if-modified-since'])

/** The request that begins at `start`: `partial` if its head is not all there, null if it takes a thorough reader. */
export function readSimpleGet(bytes: Buffer, start: number): SimpleGet | 'partial' | null {
  const end = bytes.indexOf(headEnd, start, 'latin1')
  if (end < 0) return mayBecomeOne(bytes.subarray(start)) ? 'partial' : null
  if (end - start > maxHeadBytes) return null
  const lines = bytes.toString('latin1', start, end).split('\r\n')
  const target = requestLine.exec(lines[0]!)?.[1]
  if (target === undefined) return null
  const known: Record<string, string> = {}
  for (let index = 1; index < lines.length; index++) {
    const header = headerLine.exec(lines[index]!)
    if (header === null) return null
    const name = header[1]!.toLowerCase()
    if (decisive.has(name)) return null
    if (!counted.has(name)) continue
    if (known[name] !== undefined) return null
    known[name] = header[2]!.trim()
  }
  if (known.host === undefined) return null
  if (known.connection !== undefined && known.connection.toLowerCase() !== 'keep-alive') return null
  return { target, conditions: known, end: end + headEnd.length }
}

/** What is no such request is refused at once, by who can say so: TLS on a port without, above all. */
function mayBecomeOne(bytes: Buffer): boolean {
  const begin = bytes.toString('latin1', 0, beginning.length)
  return (
    bytes.length < maxHeadBytes && beginning.startsWith(begin) && !/[^\r]\n/.test(bytes.toString('latin1'))
  )
}

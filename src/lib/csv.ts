// CSV (RFC 4180) that a spreadsheet shows and never runs: what would be taken for a formula is preceded by an
// apostrophe, in a way that can be undone exactly.
import { MalformedError } from './errors.ts'

// Spreadsheets of other countries split at semicolons or tabs, also within quotes that do not begin a cell: what
// follows such a sign may begin a cell as well. The wide signs count as the narrow ones where text is normalised.
const unguarded = /(^|[;|\t\r\n])('*)(?=[=+\-@＝＋－＠])/g
const guarded = /(^|[;|\t\r\n])'('*)(?=[=+\-@＝＋－＠])/g

/** One line, with its end. */
export function csvRecord(cells: readonly string[]): string {
  return `${cells.map(csvCell).join(',')}\r\n`
}

function csvCell(text: string): string {
  const safe = text.replace(unguarded, "$1'$2")
  return /[",;|\t\r\n]|^\s|\s$/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}

function cellText(cell: string): string {
  const text = cell.startsWith('"') ? cell.slice(1, -1).replaceAll('""', '"') : cell
  return text.replace(guarded, '$1$2')
}

/** Cells as they are written. What is not sound comes out somehow: it is not what writing it again gives. */
function splitCells(line: string): string[] {
  const cells: string[] = []
  for (let at = 0; ; ) {
    let end = at
    while (line[end] === '"') {
      const close = line.indexOf('"', end + 1)
      end = close < 0 ? line.length : close + 1
    }
    const comma = line.indexOf(',', end)
    cells.push(line.slice(at, comma < 0 ? undefined : comma))
    if (comma < 0) return cells
    at = comma + 1
  }
}

/** Takes text in chunks of any size, and gives records. MALFORMED for what `csvRecord` does not write. */
export class CsvReader {
  readonly #where: string
  readonly #maxChars: number
  #rest = ''
  /** How far `rest` was looked through, and whether that place is within quotes. */
  #at = 0
  #isQuoted = false
  #count = 0

  /** A record is never longer than `maxChars`. */
  constructor(where: string, maxChars: number) {
    this.#where = where
    this.#maxChars = maxChars
  }

  push(chunk: string): string[][] {
    this.#rest += chunk
    const records: string[][] = []
    for (let end = this.#findEnd(); end !== null; end = this.#findEnd()) {
      records.push(this.#read(this.#rest.slice(0, end)))
      this.#rest = this.#rest.slice(end)
      this.#at = 0
    }
    if (this.#rest.length > this.#maxChars) throw this.#malformed('is longer than any record')
    return records
  }

  end(): void {
    if (this.#rest === '') return
    this.#count++
    throw this.#malformed('ends in the middle')
  }

  /** After the next line end that stands outside of quotes. */
  #findEnd(): number | null {
    for (;;) {
      const quote = this.#rest.indexOf('"', this.#at)
      const newline = this.#isQuoted ? -1 : this.#rest.indexOf('\n', this.#at)
      if (newline >= 0 && (quote < 0 || newline < quote)) return newline + 1
      if (quote < 0) {
        this.#at = this.#rest.length
        return null
      }
      this.#isQuoted = !this.#isQuoted
      this.#at = quote + 1
    }
  }

  #read(record: string): string[] {
    this.#count++
    const cells = splitCells(record.slice(0, -2)).map(cellText)
    if (csvRecord(cells) !== record) throw this.#malformed('is not as it was written')
    return cells
  }

  #malformed(why: string): MalformedError {
    return new MalformedError(`${this.#where}, record ${this.#count}`, why, {
      hint: 'Verify the file as it was exported: no other program may have saved it',
    })
  }
}

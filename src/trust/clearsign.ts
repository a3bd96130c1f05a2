// Splitting a clear-signed file (RFC 9580 §7) into the text that was signed and its signatures, once:
// whoever parses the text parses what the signature covers. As strict as apt (contrib/gpgv.cc,
// SplitClearSignedFile): nothing before the header, nothing after the signature, no unescaped dash.
import { TrustError } from '../lib/errors.ts'

export interface ClearSigned {
  /** The signed text: lines without trailing blanks, joined by LF, no LF at the end. Latin-1, one char a byte. */
  readonly signedText: string
  /** Armored signature blocks, in order. */
  readonly signatures: readonly string[]
}

const header = '-----BEGIN PGP SIGNED MESSAGE-----'
const begin = '-----BEGIN PGP SIGNATURE-----'
const end = '-----END PGP SIGNATURE-----'

/** `what` names the file in errors (SIGNATURE_MISSING, SIGNATURE_INVALID). */
export function splitClearSigned(file: Buffer, what: string): ClearSigned {
  const lines = file.toString('latin1').split('\n')
  if (lines.at(-1) === '') lines.pop()
  const isLine = (index: number, text: string) => lines[index]?.replace(/[ \t\r]+$/, '') === text
  if (!isLine(0, header)) {
    throw new TrustError(
      'SIGNATURE_MISSING',
      `${what} is not a clear-signed file: it begins "${opening(file)}"`,
      {
        hint: 'Open the URL in a browser: a login page, a proxy error or a wrong "uris" answers there',
      },
    )
  }
  let at = 1
  while (at < lines.length && lines[at]!.trim() !== '') at++
  const text: string[] = []
  for (at++; at < lines.length && !isLine(at, begin); at++) text.push(undash(lines[at]!, what))
  const signatures: string[] = []
  while (at < lines.length) {
    if (!isLine(at, begin)) refuse(what, 'has text outside the signed block')
    const start = at
    while (at < lines.length && !isLine(at, end)) at++
    if (at === lines.length) refuse(what, 'ends inside its signature')
    signatures.push(lines.slice(start, ++at).join('\n'))
  }
  if (signatures.length === 0) {
    throw new TrustError('SIGNATURE_MISSING', `${what} has no signature`, { hint: 'Try another mirror' })
  }
  return { signedText: text.join('\n'), signatures }
}

function undash(line: string, what: string): string {
  const trimmed = line.replace(/[ \t\r]+$/, '')
  if (!trimmed.startsWith('-')) return trimmed
  if (!line.startsWith('- ')) refuse(what, 'has an unescaped line that begins with a dash')
  return trimmed.slice(2)
}

/** Armored blocks of a detached signature file (Release.gpg): blocks and nothing else. */
export function splitDetached(file: Buffer, what: string): string[] {
  const text = file.toString('latin1')
  const blocks = text.match(new RegExp(`${begin}[\\s\\S]*?${end}`, 'g')) ?? []
  if (blocks.length === 0 || blocks.reduce((rest, block) => rest.replace(block, ''), text).trim() !== '') {
    throw new TrustError('SIGNATURE_MISSING', `${what} is not an armored signature file`, {
      hint: 'Try another mirror',
    })
  }
  return blocks
}

function refuse(what: string, why: string): never {
  throw new TrustError('SIGNATURE_INVALID', `${what} ${why}`, {
    hint: 'Nothing was adopted; try another mirror, and tell the archive if it happens again',
  })
}

function opening(file: Buffer): string {
  return file.toString('latin1', 0, 40).replace(/[^ -~]+/g, ' ')
}

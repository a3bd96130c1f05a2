// Which files belong to a .changes, for whoever has to find them before anybody verifies it.
import { parseChanges } from '../debian/changes.ts'
import { splitClearSigned } from '../trust/clearsign.ts'

/** The names that it lists. What is in it is not to be trusted yet. */
export function filesNamedBy(bytes: Buffer, what: string): string[] {
  const { signedText } = splitClearSigned(bytes, what)
  return parseChanges(Buffer.from(signedText, 'latin1').toString(), what).files.map((file) => file.name)
}

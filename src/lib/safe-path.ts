// Paths from outside: package files, names in a hash list, parts of URLs.

/**
 * A `Filename:` or a name in Release's hash list: relative, inside, and the same to every reader
 * (apt sends `../x` as it is, and leaves `?`, `#`, `:` unencoded).
 */
export function isSafePath(text: string): boolean {
  if (text === '' || text.length > 1000) return false
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for.
  if (/[\x00-\x20\x7f\\%?#*"<>|]/.test(text)) return false
  // No part is empty, `.` or `..`.
  return !/(?:^|\/)\.{0,2}(?:\/|$)/.test(text)
}

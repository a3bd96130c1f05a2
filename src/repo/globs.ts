// Globs of names, as people write them into rules: `*` any characters, `?` one, `[abc]` one of these.

const known = new Map<string, RegExp>()

export function matchesGlob(glob: string, text: string): boolean {
  let pattern = known.get(glob)
  if (pattern === undefined) {
    pattern = new RegExp(
      `^${glob
        .replace(/[.+^${}()|\\]/g, '\\$&')
        .replace(/\*/g, '.*')
        .replace(/\?/g, '.')}$`,
    )
    known.set(glob, pattern)
  }
  return pattern.test(text)
}

/** Does any of the texts match any of the globs? Null matches everything. */
export function matchesAny(globs: readonly string[] | null, texts: readonly string[]): boolean {
  return globs === null || texts.some((text) => globs.some((glob) => matchesGlob(glob, text)))
}

// The lines to paste on a client.
import type { Output } from './output.ts'

export interface EnrolFacts {
  readonly channel: string
  /** Ends without a slash. */
  readonly baseUrl: string
  readonly fingerprint: string
  /** Named where the channel has several. */
  readonly release: string | null
}

// Everything but our own file gets a name that apt does not read.
const disable =
  `sudo sh -c 'for f in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do ` +
  `case $f in */uus.sources) ;; *) [ ! -e "$f" ] || mv "$f" "$f.disabled" ;; esac; done'`

/** apt-helper is on every machine that has apt; curl and wget are not. */
export function printEnrolment(facts: EnrolFacts, out: Output): void {
  const query = facts.release === null ? '' : `?release=${facts.release}`
  out.line(
    out.bold(
      `To put a machine on channel ${facts.channel}${facts.release === null ? '' : `, release ${facts.release}`}:`,
    ),
  )
  out.line(
    `  sudo /usr/lib/apt/apt-helper download-file '${facts.baseUrl}/${facts.channel}.sources${query}' /etc/apt/sources.list.d/uus.sources`,
  )
  out.line(`  grep -i ${facts.fingerprint} /etc/apt/sources.list.d/uus.sources   # must show this key`)
  out.line(`  ${disable}`)
  out.line('  sudo apt-get update')
}

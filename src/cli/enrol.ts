// The lines to paste on a client.
import type { Enrolment } from '../actions/client-files.ts'
import type { Output } from './output.ts'

const entry = '/etc/apt/sources.list.d/uus.sources'

// What the sources entry really embeds, not what a comment in it claims.
const showKey = `sed -n '/BEGIN PGP/,/END PGP/{s/^ //;s/^\\.$//;p}' ${entry} | gpg --show-keys`

// Everything but our own entry gets a name that apt does not read.
const disable =
  `sudo sh -c 'for f in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do ` +
  `case $f in */uus.sources) ;; *) [ ! -e "$f" ] || mv "$f" "$f.disabled" ;; esac; done'`

/** apt-helper is on every machine that has apt; curl and wget are not. `baseUrl` ends without a slash. */
export function printEnrolment(enrolment: Enrolment, baseUrl: string, out: Output): void {
  const { channel, release, isOneOfSeveral, fingerprint } = enrolment
  const query = isOneOfSeveral ? `?release=${release}` : ''
  out.line(out.bold(`To put a machine with ${release} on channel ${channel}:`))
  out.line(`  sudo /usr/lib/apt/apt-helper download-file '${baseUrl}/${channel}.sources${query}' ${entry}`)
  out.line(`  ${showKey}   # must show ${fingerprint}`)
  out.line(`  ${disable}`)
  out.line('  sudo apt-get update')
}

// One notice as mail, in plain text.
import { readFile } from 'node:fs/promises'
import { createTransport } from 'nodemailer'
import type { Sending, SendOutcome } from './notifier.ts'

export interface Mail {
  readonly server: string
  readonly user: string | null
  readonly passwordFile: string | null
  readonly from: string
  readonly to: readonly string[]
}

const timeoutMs = 30_000

interface Told {
  readonly type: string
  readonly data: { readonly summary: string; readonly lines: readonly string[]; readonly count: number }
}

export async function sendMail(mail: Mail, { id, body, at }: Sending): Promise<SendOutcome> {
  const { type, data } = JSON.parse(body) as Told
  const { hostname, port, protocol } = new URL(mail.server)
  const isTls = protocol === 'smtps:'
  const transport = createTransport({
    host: hostname.replace(/^\[|\]$/g, ''),
    port: port === '' ? (isTls ? 465 : 25) : Number(port),
    secure: isTls,
    connectionTimeout: timeoutMs,
    greetingTimeout: timeoutMs,
    socketTimeout: timeoutMs,
    ...(mail.user === null
      ? {}
      : { auth: { user: mail.user, pass: await passwordOf(mail), type: 'login' as const } }),
  })
  const more = data.count > data.lines.length ? [`… and ${data.count - data.lines.length} more`] : []
  try {
    await transport.sendMail({
      from: mail.from,
      to: [...mail.to],
      subject: `[UUS] ${type}: ${data.summary}`.slice(0, 200),
      date: new Date(at),
      // The same at each attempt: mail systems drop what they have already.
      messageId: `<${id}@${mail.from.split('@')[1]}>`,
      headers: { 'Auto-Submitted': 'auto-generated' },
      text: [data.summary, '', ...data.lines, ...more, ''].join('\n'),
    })
    return { error: null, isFinal: false }
  } finally {
    transport.close()
  }
}

async function passwordOf({ passwordFile }: Mail): Promise<string> {
  return passwordFile === null ? '' : (await readFile(passwordFile, 'utf8')).trim()
}

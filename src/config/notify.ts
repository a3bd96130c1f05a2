// Who is told of what happens: webhooks and mail.
import { z } from 'zod'
import { httpUrl, oneOrMore } from './scalars.ts'

export const noticeEvents = ['waiting', 'promoted', 'blocked', 'forced', 'alarm'] as const
export type NoticeEvent = (typeof noticeEvents)[number]

const events = z
  .array(z.enum(noticeEvents))
  .nonempty()
  .default([...noticeEvents])
const address = z.string().regex(/^[^\s@]+@[^\s@]+$/, 'must be a mail address')

const webhook = z.strictObject({
  url: httpUrl,
  /** A file with the secret that bodies are signed with; `whsec_` and base64, or any text. */
  'secret-file': z.string().min(1),
  events,
})

const mail = z.strictObject({
  /** smtp://HOST:PORT, with STARTTLS where it is offered; smtps:// for TLS from the first byte. */
  server: z
    .string()
    .regex(/^smtps?:\/\/[^/@\s]+$/, 'must be like smtp://mail.example.com:25, without a user'),
  user: z.string().optional(),
  'password-file': z.string().min(1).optional(),
  from: address,
  to: oneOrMore(address),
  events,
})

export const notifications = z.strictObject({
  webhooks: z
    .record(z.string().regex(/^[a-z0-9-]+$/, 'must be lower-case letters, digits and "-"'), webhook)
    .default({}),
  mail: z
    .record(z.string().regex(/^[a-z0-9-]+$/, 'must be lower-case letters, digits and "-"'), mail)
    .default({}),
})

export type NoticeTarget = WebhookTarget | MailTarget

export interface WebhookTarget {
  readonly type: 'webhook'
  /** `webhook:NAME`. */
  readonly name: string
  readonly events: readonly NoticeEvent[]
  readonly url: string
  readonly secretFile: string
}

export interface MailTarget {
  readonly type: 'mail'
  /** `mail:NAME`. */
  readonly name: string
  readonly events: readonly NoticeEvent[]
  readonly server: string
  readonly user: string | null
  readonly passwordFile: string | null
  readonly from: string
  readonly to: readonly string[]
}

export function buildTargets(
  raw: z.output<typeof notifications>,
  locate: (file: string) => string,
): NoticeTarget[] {
  return [
    ...Object.entries(raw.webhooks).map(
      ([name, one]): WebhookTarget => ({
        type: 'webhook',
        name: `webhook:${name}`,
        events: one.events,
        url: one.url,
        secretFile: locate(one['secret-file']),
      }),
    ),
    ...Object.entries(raw.mail).map(
      ([name, one]): MailTarget => ({
        type: 'mail',
        name: `mail:${name}`,
        events: one.events,
        server: one.server,
        user: one.user ?? null,
        passwordFile: one['password-file'] === undefined ? null : locate(one['password-file']),
        from: one.from,
        to: one.to,
      }),
    ),
  ]
}

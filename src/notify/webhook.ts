// One notice to one webhook, signed as Standard Webhooks 1.0.0 has it (standardwebhooks.com): the receiver checks
// webhook-signature, and tells by webhook-id whether it has the notice already.
import { createHmac } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import got from 'got'
import type { Sending, SendOutcome } from './notifier.ts'

export interface Webhook {
  readonly url: string
  readonly secretFile: string
}

const timeoutMs = 15_000

export async function sendWebhook(
  { url, secretFile }: Webhook,
  { id, body, at }: Sending,
): Promise<SendOutcome> {
  const secret = keyOf((await readFile(secretFile, 'utf8')).trim())
  const timestamp = String(Math.floor(at / 1000))
  const signature = createHmac('sha256', secret).update(`${id}.${timestamp}.${body}`).digest('base64')
  const { statusCode } = await got.post(url, {
    body,
    headers: {
      'content-type': 'application/json',
      'webhook-id': id,
      'webhook-timestamp': timestamp,
      'webhook-signature': `v1,${signature}`,
    },
    timeout: { request: timeoutMs },
    retry: { limit: 0 },
    followRedirect: false,
    throwHttpErrors: false,
  })
  if (statusCode >= 200 && statusCode < 300) return { error: null, isFinal: false }
  // 410: the receiver is gone for good, as the specification has it.
  return { error: `${new URL(url).host} answered ${statusCode}`, isFinal: statusCode === 410 }
}

function keyOf(secret: string): Buffer {
  const [, encoded] = /^whsec_([A-Za-z0-9+/=]+)$/.exec(secret) ?? []
  return encoded === undefined ? Buffer.from(secret) : Buffer.from(encoded, 'base64')
}

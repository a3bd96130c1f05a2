// Judging what upstream answers: where it sends us, and whether a body can be the file. Pure.
import { isIP } from 'node:net'
import { bareHost, isInner } from './addresses.ts'
import type { Part } from './fetcher.ts'
import { type AnswerHead, badRedirect, oddStatus, wrongBytes } from './upstream-errors.ts'

/** Null if it is no redirect. */
export function redirectOf({ statusCode, headers }: AnswerHead): string | null {
  return [301, 302, 303, 307, 308].includes(statusCode) ? (headers.location ?? null) : null
}

/** Where a redirect leads; UPSTREAM_REDIRECT where we do not go. Credentials stay with the host they are for. */
export function followed(url: string, from: string, location: string, isGuarded: boolean): string {
  const next = URL.parse(location, from)
  if (next === null || !/^https?:$/.test(next.protocol)) throw badRedirect(url, 'sends us to no http address')
  if (next.protocol === 'http:' && from.startsWith('https:')) {
    throw badRedirect(url, 'sends us from https to http')
  }
  const host = bareHost(next)
  const isInside = isIP(host) !== 0 ? isInner(host) : /(^|\.)localhost\.?$/.test(host)
  if (isGuarded && isInside) throw badRedirect(url, `sends us to an inner network (${host})`)
  return next.href
}

/** Checks that an answer holds the part; the position of its first byte. */
export function judgeHead(url: string, head: AnswerHead, { sizeBytes, start }: Part, now: number): number {
  const { statusCode, headers } = head
  if (statusCode === 416) throw wrongBytes(url, `has no byte ${start}, but ${sizeBytes} are signed`)
  if (statusCode === 206 && start > 0) {
    const [, first, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers['content-range'] ?? '') ?? []
    if (Number(first) !== start) throw wrongBytes(url, 'sent another part than the one asked for')
    if (total !== '*' && Number(total) !== sizeBytes) {
      throw wrongBytes(url, `is ${total} bytes long, not ${sizeBytes} as signed`)
    }
    refuseEncoding(url, headers, null)
    return start
  }
  if (statusCode !== 200) throw oddStatus(url, head, now)
  refuseEncoding(url, headers, sizeBytes)
  const length = headers['content-length']
  if (length !== undefined && Number(length) !== sizeBytes) {
    throw wrongBytes(url, `is ${length} bytes long, not ${sizeBytes} as signed`)
  }
  return 0
}

/**
 * A body packed for the way is not the file. Some servers call a `.gz` packed for the way though it goes out as it is:
 * they are known by the right length.
 */
export function refuseEncoding(url: string, headers: AnswerHead['headers'], sizeBytes: number | null): void {
  const encoding = headers['content-encoding'] ?? 'identity'
  if (encoding === 'identity' || (sizeBytes !== null && Number(headers['content-length']) === sizeBytes))
    return
  throw wrongBytes(url, `comes packed for the way (Content-Encoding: ${encoding.slice(0, 20)})`)
}

/** A strong one: only that promises the same bytes. */
export function validatorOf({ etag, 'last-modified': lastModified }: AnswerHead['headers']): string | null {
  return etag?.startsWith('"') ? etag : (lastModified ?? null)
}

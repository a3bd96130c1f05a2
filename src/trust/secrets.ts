// What people prove themselves with: passwords, kept as scrypt hashes, and random tokens, kept as SHA-256.
import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto'
import { type Sha256, sha256 } from '../lib/digest.ts'

// OWASP's figures for scrypt: three passes over 32 MiB. About a sixth of a second of one core.
const costs = { N: 2 ** 15, r: 8, p: 3 } as const
const saltBytes = 16
const keyBytes = 32

/** `scrypt$N$r$p$salt$key`, base64; the costs stand in it, so that they can be raised. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(saltBytes)
  const key = await derive(password, salt, costs)
  return ['scrypt', costs.N, costs.r, costs.p, salt.toString('base64'), key.toString('base64')].join('$')
}

/** Takes as long for a person without a password as for one with: nobody learns from it who is known. */
export async function isPassword(password: string, hash: string | null): Promise<boolean> {
  const [kind, n, r, p, salt, key] = (hash ?? '').split('$')
  if (kind !== 'scrypt' || salt === undefined || key === undefined) {
    await derive(password, randomBytes(saltBytes), costs)
    return false
  }
  const given = await derive(password, Buffer.from(salt, 'base64'), {
    N: Number(n),
    r: Number(r),
    p: Number(p),
  })
  const expected = Buffer.from(key, 'base64')
  return expected.length === given.length && timingSafeEqual(expected, given)
}

function derive(
  password: string,
  salt: Buffer,
  { N, r, p }: { N: number; r: number; p: number },
): Promise<Buffer> {
  const options: ScryptOptions = { N, r, p, maxmem: 128 * N * r * 2 }
  return new Promise((resolve, reject) => {
    // The same letters may be typed in several ways.
    scrypt(password.normalize('NFKC'), salt, keyBytes, options, (error, key) =>
      error === null ? resolve(key) : reject(error),
    )
  })
}

/** Found by programs that look for secrets where none should be. */
const tokenMark = 'uus_'

/** 256 random bits in letters that need no quoting anywhere. */
export function makeToken(): string {
  return `${tokenMark}${randomBytes(32).toString('base64url')}`
}

/**
 * What is kept of a token. A fast hash is enough: there are 2^256 tokens, so that nobody finds one by trying, as is
 * done with passwords; and each request has to compute it.
 */
export function hashToken(token: string): Sha256 {
  return sha256(token)
}

/** Saves looking up what no token of ours can be. */
export function isTokenLike(text: string): boolean {
  return /^uus_[A-Za-z0-9_-]{43}$/.test(text)
}

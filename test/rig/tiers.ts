// A master and slaves, all of them real servers on loopback, each slave made by the command that its master printed.
import type { SlaveAddResult } from '../../src/actions/slaves.ts'
import { Relay } from './relay.ts'
import type { TestServer } from './server.ts'
import { TestServer as Server } from './server.ts'

/** The command that makes a slave of `of`, through a relay if there is one. */
export async function invite(
  of: TestServer,
  name: string,
  relay: Relay | null = null,
  channels?: readonly string[],
): Promise<string> {
  const { command } = await of.call<SlaveAddResult>('slave add', { name, ...(channels && { channels }) })
  return relay === null ? command : command.replace(/--slave-of \S+/, `--slave-of ${relay.url}`)
}

/** A slave behind a relay, over which its way to the master can be bent. */
export async function slaveBehindRelay(
  of: TestServer,
  name: string,
  more: readonly string[] = [],
  isStarted = true,
  channels?: readonly string[],
): Promise<{ relay: Relay; slave: TestServer } & AsyncDisposable> {
  const relay = await Relay.start()
  relay.target = of.url
  try {
    const slave = await Server.enrol(await invite(of, name, relay, channels), more, isStarted)
    return {
      relay,
      slave,
      async [Symbol.asyncDispose]() {
        await slave[Symbol.asyncDispose]()
        await relay[Symbol.asyncDispose]()
      },
    }
  } catch (error) {
    await relay[Symbol.asyncDispose]()
    throw error
  }
}

/** Resolves when `isSo`; a slave follows by itself, and says nothing to us when it did. */
export async function until(
  what: string,
  isSo: () => Promise<boolean> | boolean,
  ms = 30_000,
): Promise<void> {
  const end = Date.now() + ms
  while (!(await isSo())) {
    if (Date.now() > end) throw new Error(`in vain waited for: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** The snapshot of a channel that a server serves; null for none. */
export async function served(server: TestServer, channel = 'approved'): Promise<string | null> {
  const { channels } = (await (await server.get('/healthz')).json()) as {
    channels: { name: string; snapshot: string | null }[]
  }
  return channels.find(({ name }) => name === channel)?.snapshot ?? null
}

/** Resolves when the slave serves what the master does. */
export async function caughtUp(master: TestServer, slave: TestServer, channel = 'approved'): Promise<void> {
  const wanted = await served(master, channel)
  await until(
    `${channel} at ${wanted}; the slave's log:\n${slave.log}`,
    async () => (await served(slave, channel)) === wanted,
  )
}

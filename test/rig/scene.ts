// Stories with a real server and real apt: what an administrator does, and what machines see of it.
import { AptRoot } from './apt.ts'
import { FakeArchive } from './archive.ts'
import type { BuiltPackage } from './packages.ts'
import { TestServer } from './server.ts'
import { suite } from './story.ts'

export interface Scene {
  readonly server: TestServer
  /** Upstream offers this from now on, and the server takes it over. */
  offer(content: readonly BuiltPackage[]): Promise<void>
  /** A machine of a channel; made anew each time it looks. */
  machine(channel: string): Promise<AptRoot>
}

/** A server whose channel `approved` has these settings, its upstream, and machines with real apt. */
export async function play(
  content: readonly BuiltPackage[],
  settings: string,
  story: (scene: Scene) => Promise<void>,
): Promise<void> {
  await using archive = await FakeArchive.start()
  let at = Date.now() - 3_600_000
  const publish = (some: readonly BuiltPackage[]) => {
    at += 60_000
    return archive.publish('stable', suite(some, { date: at }))
  }
  await publish(content)
  await using server = await TestServer.start({
    archives: [{ archive }],
    channels: { testing: '{from: upstream}', approved: `{from: testing, ${settings}}` },
  })
  await server.json('update')
  using stack = new DisposableStack()
  await story({
    server,
    offer: async (some) => {
      await publish(some)
      await server.json('update')
    },
    machine: async (channel) => {
      const apt = stack.use(new AptRoot())
      apt.setSources(await server.text(`/${channel}.sources`))
      await apt.update()
      return apt
    },
  })
}

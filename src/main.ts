// The entry of every process: a command, the server, or (forked by it) the jobs process.

import { serveJobs } from './actions/serve-jobs.ts'
import { callAction, openJobs, serve } from './app.ts'
import { runCli } from './cli/cli.ts'
import type { Terminal } from './cli/run.ts'
import { runInit, runServe } from './cli/serve.ts'
import { parseConfig } from './config/config.ts'
import { RealDisk } from './lib/disk.ts'
import { readVersion } from './version.ts'

const program = import.meta.filename
const arguments_ = process.argv.slice(2)

if (arguments_[0] === 'jobs' && process.send !== undefined) {
  serveJobs(({ configText, configPath }) => openJobs(parseConfig(configText, configPath)))
} else {
  const terminal: Terminal = {
    stdout: process.stdout,
    stderr: process.stderr,
    environment: process.env,
    now: () => Date.now(),
  }
  process.exitCode = await runCli(
    arguments_,
    terminal,
    {
      callAction,
      init: (flags) =>
        runInit(terminal, flags, new RealDisk(), async (config) => {
          using jobs = await openJobs(config)
          const { channels, keys } = jobs.repo.store
          return channels.list().flatMap((channel) => {
            const active = keys.list(channel.id).find((key) => key.role === 'active')
            return active === undefined ? [] : [{ channel: channel.name, fingerprint: active.fingerprint }]
          })
        }),
      serve: (flags) =>
        runServe(terminal, flags, (config, configText, log, emit) =>
          serve({ config, configText, program, log, emit }),
        ),
    },
    readVersion(),
  )
}

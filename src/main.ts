// The entry of every process: a command, the server, or (forked by it) the jobs process.
// Each loads only what it needs: the jobs process nothing that speaks to a network.

if (process.argv[2] === 'jobs' && process.send !== undefined) {
  const { serveJobs } = await import('./actions/serve-jobs.ts')
  const { parseConfig, withBaseUrl } = await import('./config/config.ts')
  const { openJobs } = await import('./jobs.ts')
  serveJobs(({ configText, configPath, baseUrl }) =>
    openJobs(withBaseUrl(parseConfig(configText, configPath), baseUrl)),
  )
} else {
  // Read before the first use of a thread. A slow disk or a dead name server must not take all there are.
  process.env.UV_THREADPOOL_SIZE ??= '16'
  const { runMain } = await import('./app.ts')
  process.exitCode = await runMain(process.argv.slice(2), import.meta.filename)
}

// The servers that are measured, ours among them: each on a free loopback port, with a configuration and a cache of
// its own in a temporary folder, in front of the same upstream.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { hasProgram, processFacts } from './measure.ts'
import { freePort } from './upstream.ts'

export interface Peer extends AsyncDisposable {
  readonly name: string
  readonly port: number
  /** What a path of the upstream server is called here. */
  pathOf(upstreamPath: string): string
  readonly host: string
  /** User and system time of all its processes. */
  cpuSeconds(): number
  /** Peak memory of each of its processes. */
  rssBytes(): number[]
}

export interface Upstream {
  /** Where its files are. */
  readonly root: string
  readonly port: number
}

interface Program {
  readonly name: string
  readonly command: readonly string[]
  readonly port: number
  readonly folder: string
  pathOf?(upstreamPath: string): string
  /** Answers once it is up; by default anything. */
  readonly probe?: string
}

async function startProgram(program: Program): Promise<Peer> {
  const { name, command, port, folder, probe = '/' } = program
  const [file, ...rest] = command
  const child = spawn(file!, rest, { stdio: ['ignore', 'ignore', 'pipe'], cwd: folder })
  let stderr = ''
  child.stderr.on('data', (chunk) => {
    stderr += chunk
  })
  try {
    await untilUp(`http://127.0.0.1:${port}${probe}`, child, probe !== '/')
  } catch {
    throw new Error(`${name} did not start: ${stderr}`)
  }
  return {
    name,
    port,
    host: '127.0.0.1',
    pathOf: program.pathOf ?? ((path) => path),
    cpuSeconds: () => sum(family(child.pid!).map((pid) => processFacts(pid).cpuSeconds)),
    rssBytes: () => family(child.pid!).map((pid) => processFacts(pid).peakRssBytes),
    async [Symbol.asyncDispose]() {
      const exited = new Promise((resolve) => child.once('exit', resolve))
      child.kill()
      await exited
    },
  }
}

async function untilUp(url: string, child: ChildProcess, mustBeOk: boolean): Promise<void> {
  for (let tries = 0; tries < 300 && child.exitCode === null; tries++) {
    const answer = await fetch(url).catch(() => null)
    await answer?.arrayBuffer().catch(() => {})
    if (answer !== null && (answer.ok || !mustBeOk)) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error('not up')
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0)
}

/** A process and its children. */
function family(pid: number): number[] {
  const children = readdirSync('/proc').filter((name) => {
    if (!/^\d+$/.test(name)) return false
    try {
      return (
        Number(
          readFileSync(`/proc/${name}/stat`, 'utf8')
            .replace(/^.*\) /, '')
            .split(' ')[1],
        ) === pid
      )
    } catch {
      return false // it ended meanwhile
    }
  })
  return [pid, ...children.flatMap((child) => family(Number(child)))]
}

function fresh(folder: string, name: string): string {
  const path = join(folder, name.replace(/\W+/g, '-'))
  mkdirSync(path, { recursive: true })
  return path
}

function nginxConfig(folder: string, http: string): string {
  const path = join(folder, 'nginx.conf')
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${folder}/tmp-${name};`)
    .join(' ')
  writeFileSync(
    path,
    `${process.getuid?.() === 0 ? 'user root; ' : ''}daemon off; pid ${folder}/nginx.pid; error_log ${folder}/error.log;
worker_processes 1;
events { worker_connections 4096; }
http { ${temporary} sendfile on; keepalive_requests 1000000000; types {} default_type text/plain;
${http} }`,
  )
  return path
}

/** nginx serving the very files of the upstream server. */
export async function startNginx(folder: string, upstream: Upstream, hasLog: boolean): Promise<Peer> {
  const name = hasLog ? 'nginx' : 'nginx, no access log'
  const own = fresh(folder, name)
  const port = await freePort()
  const log = hasLog ? `${own}/access.log` : 'off'
  const config = nginxConfig(
    own,
    `tcp_nopush on; access_log ${log}; server { listen 127.0.0.1:${port}; root ${upstream.root}; }`,
  )
  return startProgram({ name, command: ['nginx', '-c', config, '-e', `${own}/error.log`], port, folder: own })
}

export async function startNginxCache(folder: string, upstream: Upstream): Promise<Peer> {
  const name = 'nginx proxy_cache, lock'
  const own = fresh(folder, name)
  const port = await freePort()
  const config = nginxConfig(
    own,
    `access_log ${own}/access.log; proxy_cache_path ${own}/cache levels=1:2 keys_zone=c:10m max_size=9g inactive=1d;

server { listen 127.0.0.1:${port}; location / { proxy_pass http://127.0.0.1:${upstream.port}; proxy_cache c;
proxy_cache_valid 200 1d; proxy_cache_lock on; proxy_cache_lock_timeout 1h; proxy_cache_lock_age 1h; } }`,
  )
  return startProgram({ name, command: ['nginx', '-c', config, '-e', `${own}/error.log`], port, folder: own })
}

export async function startAptCacherNg(folder: string, upstream: Upstream): Promise<Peer | null> {
  if (!hasProgram('apt-cacher-ng')) return null
  const own = fresh(folder, 'apt-cacher-ng')
  const port = await freePort()
  mkdirSync(join(own, 'cache'), { recursive: true })
  mkdirSync(join(own, 'log'), { recursive: true })
  writeFileSync(
    join(own, 'acng.conf'),
    `CacheDir: ${own}/cache
LogDir: ${own}/log
SupportDir: /usr/lib/apt-cacher-ng
ReportPage: report.html
BindAddress: 127.0.0.1
Port: ${port}
AllowUserPorts: 0
PidFile: ${own}/pid
SocketPath: ${own}/socket
`,
  )
  return startProgram({
    name: 'apt-cacher-ng',
    command: ['apt-cacher-ng', '-c', own, 'ForeGround=1'],
    port,
    folder: own,
    pathOf: (path) => `/127.0.0.1:${upstream.port}${path}`,
  })
}

export async function startSquid(folder: string, upstream: Upstream): Promise<Peer | null> {
  if (!hasProgram('squid')) return null
  const own = fresh(folder, 'squid')
  const port = await freePort()
  // As root it drops to its own user, who must get in.
  chmodSync(folder, 0o755)
  chmodSync(own, 0o777)
  const config = join(own, 'squid.conf')
  writeFileSync(
    config,
    `http_port 127.0.0.1:${port} accel defaultsite=127.0.0.1 no-vhost
cache_peer 127.0.0.1 parent ${upstream.port} 0 no-query originserver
http_access allow all
cache_dir ufs ${own}/cache 8000 16 256
cache_mem 256 MB
maximum_object_size 200 MB
maximum_object_size_in_memory 512 KB
collapsed_forwarding on
refresh_pattern . 1440 100% 14400
access_log stdio:${own}/access.log
cache_log ${own}/cache.log
pid_filename ${own}/squid.pid
coredump_dir ${own}
shutdown_lifetime 0 seconds
pinger_enable off
`,
  )
  spawnSync('squid', ['-N', '-z', '-f', config], { cwd: own })
  return startProgram({ name: 'squid', command: ['squid', '-N', '-f', config], port, folder: own })
}

const main = join(import.meta.dirname, '..', 'src', 'main.ts')

export interface UusArchive {
  readonly name: string
  /** The path of the archive on the upstream server. */
  readonly path: string
}

/** Our server as users run it, with one channel that follows. Ready when every archive is published. */
export async function startUus(
  folder: string,
  upstream: Upstream,
  keyring: string,
  archives: readonly UusArchive[],
  options: { readonly name?: string; readonly more?: string } = {},
): Promise<Peer> {
  const { name = 'uus', more = '' } = options
  const own = fresh(folder, name)
  const port = await freePort()
  const entries = archives.map(
    (one) =>
      `  - {name: ${one.name}, uris: "http://127.0.0.1:${upstream.port}${one.path}", suites: bench, components: main, architectures: amd64, signed-by: ${keyring}, check-valid-until: false}`,
  )
  writeFileSync(
    join(own, 'config.yaml'),
    `data: data\nlisten: 127.0.0.1:${port}\n${more}archives:\n${entries.join('\n')}\nchannels:\n  testing: {from: upstream}\n`,
  )
  return startProgram({
    name,
    command: [process.execPath, main, 'serve', '--config', join(own, 'config.yaml')],
    port,
    folder: own,
    probe: `/testing/${archives.at(-1)!.name}/dists/bench/InRelease`,
    pathOf: (path) => {
      const archive = archives.find((one) => path.startsWith(`${one.path}/`))!
      return `/testing/${archive.name}${path.slice(archive.path.length)}`
    },
  })
}

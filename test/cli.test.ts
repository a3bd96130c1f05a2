// The command line: exit codes, help, JSON, and output that people read.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { actions } from '../src/actions/registry.ts'
import { groups } from '../src/cli/command-groups.ts'
import { topCommands } from '../src/cli/commands.ts'
import { Output } from '../src/cli/output.ts'
import { readConfig } from '../src/config/config.ts'
import { FakeArchive } from './rig/archive.ts'
import { packages } from './rig/packages.ts'
import { type RunResult, run } from './rig/programs.ts'
import { writeConfig } from './rig/rig.ts'

const bin = join(import.meta.dirname, '..', 'bin', 'uus.js')

class Folder implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), 'uus-cli-'))

  uus(...arguments_: string[]): Promise<RunResult> {
    const env = { ...process.env, NO_COLOR: '1', UUS_CONFIG: '', SUDO_USER: 'andrew' }
    return run(process.execPath, [bin, ...arguments_], { cwd: this.path, env })
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true })
  }
}

const hour = 3_600_000

test('a first day: init, update, pending, promote, audit, with the exit codes of each', async () => {
  await using archive = await FakeArchive.start()
  using folder = new Folder()
  const publish = (names: string[], date: number) =>
    archive.publish('stable', { components: { main: { amd64: packages(...names) } }, date })
  await publish(['bash 5.1', 'vim 9.0'], Date.now() - 3 * hour)
  writeConfig(folder.path, { archives: [{ archive }] })
  const step = async (status: number, command: string, expected: RegExp) => {
    const result = await folder.uus(...command.split(' '))
    assert.equal(result.status, status, `${command}: ${result.output}`)
    assert.match(result.output, expected, command)
  }
  await step(0, 'init', /Channel approved is signed by [0-9A-F]{40}/)
  await step(0, 'init', /config.yaml\n/)
  await step(0, 'update', /^test\/stable +adopted +2 +0$/m)
  await step(0, 'update', /^test\/stable +unchanged/m)
  await step(0, 'pending', /Nothing waits between testing and approved/)
  await publish(['bash 5.2', 'vim 9.0'], Date.now() - 2 * hour)
  await step(0, 'update', /adopted/)
  await step(0, 'pending', /^bash +update +5.1 +5.2 +stable +\S+.* +ready$/m)
  await step(0, 'explain bash', /pass +holds: Neither on hold nor declined/)
  await step(0, 'promote @all --dry-run', /^\+ stable main: bash 5.2 amd64\n- stable main: bash 5.1 amd64$/m)
  await step(0, 'hold bash --reason later', /bash is on hold in approved/)
  await step(3, 'promote bash', /refused bash 5.2: bash is on hold in approved since .* \(andrew: later\)/)
  await step(4, 'hold bash', /Nothing to change/)
  await step(0, 'unhold bash', /no longer on hold/)
  await step(0, 'promote bash', /approved has them since snapshot \d{8}T\d{6}Z: 1 packages in, 1 out/)
  await step(4, 'promote bash', /Nothing of that waits/)
  await step(1, 'promote nosuch', /No package is called nosuch.*\n {2}→ /)
  await step(
    1,
    'channel show nosuch',
    /There is no channel "nosuch"\n {2}→ Channels are: upstream, testing, approved/,
  )
  await step(2, 'promote CVE-2024-3094', /no advisory data yet/)
  await step(2, 'promote', /→ See "uus promote --help"/)
  await step(2, 'frobnicate', /Unknown command: frobnicate|Unknown argument: frobnicate/)
  await step(2, 'pending --nosuch', /Unknown argument: nosuch/)
  await step(2, 'snapshot rollback approved 20200101T000000Z', /reason/)
  await step(1, 'snapshot rollback approved 20200101T000000Z --reason x', /has no snapshot/)
  await step(0, 'snapshot list approved', /^approved +\d{8}T\d{6}Z +.* promote +1 +1/m)
  await step(0, 'status', /No alarm/)
  await step(0, 'audit', /andrew +cli +promote +approved/)
  await step(0, 'sources approved', /^Types: deb$/m)
  await step(0, 'key export approved', /BEGIN PGP PUBLIC KEY BLOCK/)
})

test('every command prints one JSON document with --json, errors included', async () => {
  await using archive = await FakeArchive.start()
  using folder = new Folder()
  await archive.publish('stable', {
    components: { main: { amd64: packages('bash 5.1') } },
    date: Date.now() - hour,
  })
  writeConfig(folder.path, { archives: [{ archive }] })
  for (const command of [
    'init',
    'update',
    'status',
    'pending',
    'channel list',
    'channel show approved',
    'channel diff approved testing',
    'snapshot list',
    'archive list',
    'key list',
    'key export approved',
    'sources approved',
    'audit',
  ]) {
    const { stdout, status, stderr } = await folder.uus(...command.split(' '), '--json')
    assert.equal(status, 0, `${command}: ${stderr}`)
    const document = JSON.parse(stdout) as Record<string, unknown>
    assert.equal(document.status, 'done', command)
    assert.ok(!stdout.includes('\u001b['), 'no colours')
  }
  for (const [command, exitCode, code] of [
    ['promote nosuch', 1, 'UNKNOWN_NAME'],
    ['promote', 2, 'USAGE'],
    ['status --config /nonexistent.yaml', 2, 'CONFIG_INVALID'],
  ] as const) {
    const { stdout, status } = await folder.uus(...command.split(' '), '--json')
    const { error } = JSON.parse(stdout) as { error: { code: string; message: string; hint: string } }
    assert.deepEqual([status, error.code], [exitCode, code], command)
    assert.ok(error.message !== '' && error.hint !== '')
  }
})

test('the audit log is exported, and verified elsewhere with nothing but the file and the key', async () => {
  await using archive = await FakeArchive.start()
  using folder = new Folder()
  using elsewhere = new Folder()
  await archive.publish('stable', {
    components: { main: { amd64: packages('bash 5.1') } },
    date: Date.now() - hour,
  })
  writeConfig(folder.path, { archives: [{ archive }] })
  const uus = async (where: Folder, status: number, ...arguments_: string[]) => {
    const result = await where.uus(...arguments_)
    assert.equal(result.status, status, `${arguments_.join(' ')}: ${result.output}`)
    return result
  }
  assert.match((await uus(folder, 0, 'init')).output, /The audit log is signed by [0-9A-F]{40}/)
  await uus(folder, 0, 'update')
  await uus(folder, 0, 'hold', 'bash', '--reason', '=cmd\u001b[31m; "quoted"\nsecond line')
  const rows = (await uus(folder, 0, 'audit', '--actor', 'andrew', '--action', 'ho*')).stdout
  assert.match(rows, /^\d+ .* andrew +cli +hold +bash +=cmd \[31m; "quoted" second line\n$/m)
  const key = join(elsewhere.path, 'audit.asc')
  writeFileSync(key, (await uus(folder, 0, 'key', 'export', 'audit')).stdout)
  for (const format of ['json', 'csv']) {
    const file = join(elsewhere.path, `log.${format}`)
    const written = await uus(folder, 0, 'audit', '--format', format, '--output', file)
    assert.match(written.stdout, /^\d+ rows written to /)
    const good = await uus(elsewhere, 0, 'audit', 'verify', file, '--key', key)
    assert.match(
      good.stdout,
      /^good \d+ rows, 1 to \d+: none was changed, removed or put in\.\nProved are the rows up to/,
    )
    assert.match(
      good.stdout,
      /From row \d+ on they are chained to those before, but no checkpoint covers them yet/,
    )
    writeFileSync(file, readFileSync(file, 'utf8').replace('andrew', 'somebody'))
    const bad = await uus(elsewhere, 1, 'audit', 'verify', file, '--key', key)
    assert.match(bad.stdout, /^bad Row 1 was changed: its hash is not that of what it says\n {2}→ /)
    const { problem } = JSON.parse(
      (await uus(elsewhere, 1, 'audit', 'verify', file, '--key', key, '--json')).stdout,
    )
    assert.deepEqual([problem.kind, problem.row], ['changed', 1])
  }
  const configPath = join(folder.path, 'config.yaml')
  writeFileSync(configPath, `base-url: http://updates.example.com\n${readFileSync(configPath, 'utf8')}`)
  const changes = (await uus(folder, 0, 'audit', '--action', 'configure', '--limit', '1')).stdout
  assert.match(changes, /andrew +cli +configure +server/, 'by whom the new configuration came into force')
  const part = JSON.parse((await uus(folder, 0, 'audit', '--json', '--action', 'hold')).stdout)
  assert.deepEqual([part.status, part.items.length, part.items[0].subject], ['done', 1, 'bash'])
  assert.match(
    (await uus(folder, 0, 'audit', 'verify')).stdout,
    /^good [\s\S]*The key was taken from the same database/,
  )
  for (const [command, message] of [
    ['audit --json --format csv', /both say what is printed/],
    ['audit --since yesterday', /since: must be an ISO 8601 date or time, or an age like 7d/],
    ['audit --output none/log.json', /there is no such folder/],
    ['audit verify --since 7d', /Unknown argument: since/],
    ['audit verify log.json', /To verify an export, its key is needed/],
  ] as const)
    assert.match((await uus(folder, 2, ...command.split(' '))).output, message)
})

test('a configuration with three mistakes shows all three, with their lines, and exits with 2', async () => {
  using folder = new Folder()
  writeFileSync(
    join(folder.path, 'config.yaml'),
    'dta: x\nlisten: what\narchives: []\nchannels: {a: {from: b}}\n',
  )
  const { status, stderr } = await folder.uus('status')
  assert.equal(status, 2)
  for (const part of [
    'line 1: unknown setting "dta"; did you mean "data"?',
    'line 2: listen must be',
    'line 4: channels.a.from',
  ]) {
    assert.ok(stderr.includes(part), `${part} in ${stderr}`)
  }
})

test('no configuration is a sentence with the next step', async () => {
  using folder = new Folder()
  const { status, stderr } = await folder.uus('status')
  assert.equal(status, 2)
  assert.match(stderr, /there is no such file\n {2}→ Run "uus init"/)
})

test('help is there for every command, with examples where they help', async () => {
  using folder = new Folder()
  const all = await folder.uus('--help')
  assert.equal(all.status, 0)
  for (const { command } of topCommands) assert.ok(all.stdout.includes(command.split(' ')[0]!), command)
  const promote = await folder.uus('promote', '--help')
  assert.match(promote.stdout, /Examples:[\s\S]*uus promote @security --dry-run/)
  assert.match((await folder.uus('--version')).stdout, /^\d+\.\d+\.\d+\n$/)
})

test('a completion script completes commands', async () => {
  using folder = new Folder()
  const script = await folder.uus('completion')
  assert.equal(script.status, 0)
  assert.match(script.stdout, /###-begin-uus-completions-###/)
  const completions = await folder.uus('--get-yargs-completions', 'uus', 'snap')
  assert.match(completions.stdout, /snapshot/)
})

test('every action has a command, and every command an action', () => {
  const commands = [...topCommands, ...Object.values(groups).flatMap((group) => group.commands)].map(
    (one) => one.verb,
  )
  // Pins and client configuration are for machines: they have a URL and no command. Dates are the doctor's, and the
  // audit log is asked for page by page; `add` sends files along.
  const others = ['add', 'audit', 'conf', 'pins', 'reset dates']
  assert.deepEqual([...commands, ...others].sort(), [...actions.keys()].sort())
})

test("init takes over a host's apt sources, once", async () => {
  using folder = new Folder()
  const apt = join(folder.path, 'apt')
  mkdirSync(join(apt, 'sources.list.d'), { recursive: true })
  mkdirSync(join(apt, 'trusted.gpg.d'))
  writeFileSync(join(apt, 'trusted.gpg.d', 'a.asc'), '')
  writeFileSync(
    join(apt, 'sources.list'),
    'deb http://archive.ubuntu.com/ubuntu noble main\ndeb cdrom:[x]/ noble main\n',
  )
  const { status, stderr } = await folder.uus(
    'init',
    '--from-apt',
    apt,
    '--data',
    './data',
    '--listen',
    '127.0.0.1:0',
  )
  assert.equal(status, 0, stderr)
  assert.match(stderr, /sources.list:2: cdrom:\[x\]\/ is left out: only http and https/)
  const config = readConfig(join(folder.path, 'config.yaml'))
  assert.deepEqual(
    config.archives.map((one) => [one.name, one.suites]),
    [['ubuntu', ['noble']]],
  )
  assert.equal(config.dataFolder, join(folder.path, 'data'))
  assert.ok(existsSync(join(folder.path, 'data', 'catalogue.db')))
  const before = readFileSync(join(folder.path, 'config.yaml'), 'utf8')
  await folder.uus('init', '--from-apt', apt, '--data', './data')
  assert.equal(readFileSync(join(folder.path, 'config.yaml'), 'utf8'), before, 'an existing file is kept')
  assert.equal((await folder.uus('init', '--data', './other')).status, 2)
})

test('on a host without apt sources init writes the example', async () => {
  using folder = new Folder()
  mkdirSync(join(folder.path, 'apt'))
  const result = await folder.uus('init', '--from-apt', join(folder.path, 'apt'), '--data', './data')
  assert.equal(result.status, 0, result.stderr)
  assert.match(result.stderr, /names no usable archive: the example is taken instead/)
  const config = readConfig(join(folder.path, 'config.yaml'))
  assert.deepEqual([config.dataFolder, config.archives[0]?.name], [join(folder.path, 'data'), 'ubuntu'])
})

test('tables align, and colours are for terminals', () => {
  const lines: string[] = []
  const stream = (isTTY: boolean) => ({ isTTY, write: (text: string) => lines.push(text) })
  new Output(stream(false), {}, 0).table(
    ['name', 'n'],
    [
      ['a', '1'],
      ['longer', '2'],
    ],
  )
  assert.deepEqual(lines.splice(0), ['NAME    N\n', 'a       1\n', 'longer  2\n'])
  const colored = new Output(stream(true), {}, 0)
  colored.table(['name', 'n'], [[colored.bold('a'), '1']])
  assert.ok(lines.splice(0).join('').includes('\u001b[1ma\u001b[22m     1'))
  assert.equal(new Output(stream(true), { NO_COLOR: '1' }, 0).bold('a'), 'a')
  const now = Date.UTC(2026, 10, 23, 17, 5, 0)
  assert.equal(new Output(stream(false), {}, now).time('2026-11-23T14:05:00Z'), '2026-11-23 14:05 (3h ago)')
})

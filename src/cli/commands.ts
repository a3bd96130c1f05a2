// Every command that is an action call: its flags, help and examples, what it asks for, how the answer looks.
import type { Argv } from 'yargs'
import type { Config } from '../config/config.ts'
import * as render from './render.ts'
import type { Render } from './run.ts'

export type Values = Record<string, unknown>

/** A command that is one action call. */
export interface ActionCommand {
  readonly command: string
  readonly describe: string
  readonly verb: string
  readonly examples?: readonly [example: string, what: string][]
  readonly options?: (command: Argv) => Argv
  readonly input: (values: Values, config: Config) => unknown
  readonly render: Render
}

const text = (value: unknown) => (value === undefined ? null : String(value))
const list = (value: unknown) => (value === undefined ? [] : [value].flat().map(String))

const items =
  (renderItems: (items: never, out: never) => void): Render =>
  (result: { items: never }, out) =>
    renderItems(result.items, out as never)

const withRelease = (command: Argv) =>
  command.option('release', {
    type: 'string',
    array: true,
    requiresArg: true,
    describe: 'Only this release; may be repeated',
  })
const withReason = (command: Argv) =>
  command.option('reason', { type: 'string', requiresArg: true, describe: 'Why; kept in the audit log' })
const withTo = (command: Argv) =>
  command.option('to', {
    type: 'string',
    requiresArg: true,
    describe: 'The gated channel (default: approved)',
  })

const decision = (verb: string, describe: string, examples: ActionCommand['examples']): ActionCommand => ({
  command: `${verb} <selector...>`,
  describe,
  verb,
  ...(examples === undefined ? {} : { examples }),
  options: (command) => withReason(withRelease(withTo(command))),
  input: (values) => ({
    selectors: list(values.selector),
    to: text(values.to),
    releases: list(values.release),
    reason: text(values.reason),
  }),
  render: render.renderDecide as Render,
})

export const topCommands: readonly ActionCommand[] = [
  {
    command: 'update [archive...]',
    describe: 'Adopt upstream now, let following channels follow, publish',
    verb: 'update',
    examples: [
      ['uus update', 'all archives'],
      [
        'uus update --accept debian/bookworm --reason "new stable release"',
        'adopt in spite of changed release info',
      ],
    ],
    options: (command) =>
      withReason(
        command.option('accept', {
          type: 'string',
          array: true,
          requiresArg: true,
          describe: 'ARCHIVE/SUITE whose change was looked at and is meant so',
        }),
      ),
    input: (values) => ({
      archives: list(values.archive),
      accept: list(values.accept),
      reason: text(values.reason),
    }),
    render: render.renderUpdate as Render,
  },
  {
    command: 'status',
    describe: 'One screen: channels, archives, disk, alarms',
    verb: 'status',
    input: () => ({}),
    render: render.renderStatus as Render,
  },
  {
    command: 'pending [channel]',
    describe: 'What waits for a gated channel',
    verb: 'pending',
    examples: [['uus pending', 'what waits for approved']],
    options: withRelease,
    input: (values) => ({ channel: text(values.channel), releases: list(values.release) }),
    render: render.renderPending as Render,
  },
  {
    command: 'promote <selector...>',
    describe: 'Move source versions into a gated channel now',
    verb: 'promote',
    examples: [
      ['uus promote openssl', 'the newest waiting version of a source (or of a binary package)'],
      ['uus promote @security --dry-run', 'what would change; nothing is done'],
      ['uus promote @all --as-of 7d', 'what the feeding channel had a week ago'],
      ['uus promote "php8.2*" linux=6.1.158-1', 'several at once, judged together'],
    ],
    options: (command) =>
      withReason(
        withRelease(
          withTo(command)
            .option('as-of', {
              type: 'string',
              requiresArg: true,
              describe: 'A snapshot of the feeding channel, or an age like 7d',
            })
            .option('include', {
              choices: ['republished', 'downgrade', 'remove'] as const,
              array: true,
              describe: 'Kinds that groups take only when asked',
            })
            .option('dry-run', {
              type: 'boolean',
              default: false,
              describe: 'Show the exact change, do nothing',
            })
            .option('force', {
              type: 'boolean',
              default: false,
              describe: 'Override the gates; needs --reason',
            }),
        ),
      ),
    input: (values) => ({
      selectors: list(values.selector),
      to: text(values.to),
      asOf: text(values.asOf),
      releases: list(values.release),
      include: list(values.include),
      dryRun: values.dryRun,
      force: values.force,
      reason: text(values.reason),
    }),
    render: render.renderPromote as Render,
  },
  {
    command: 'explain <selector...>',
    describe: "Every gate's verdict on what waits",
    verb: 'explain',
    options: (command) => withRelease(withTo(command)),
    input: (values) => ({
      selectors: list(values.selector),
      to: text(values.to),
      releases: list(values.release),
    }),
    render: render.renderExplain as Render,
  },
  decision('approve', 'Record an approval; what all gates let through enters at once', [
    ['uus approve bash', ''],
  ]),
  decision('decline', 'Bar a version; its successor is not affected', [
    ['uus decline bash=5.2.15-2+b9 --reason "breaks our login scripts"', ''],
  ]),
  decision('hold', 'Keep a source at what the channel has', [
    ['uus hold linux --reason "driver X is not ready"', 'until "uus unhold linux"'],
    ['uus hold linux --to testing', 'a following channel can hold too'],
  ]),
  decision('unhold', 'End a hold', [['uus unhold linux', '']]),
  {
    command: 'sources <channel>',
    describe: 'The sources entry for clients of a channel',
    verb: 'sources',
    examples: [['uus sources approved > /etc/apt/sources.list.d/uus.sources', '']],
    options: (command) =>
      command
        .option('release', {
          type: 'string',
          requiresArg: true,
          describe: 'Which, where the channel has several',
        })
        .option('key', {
          choices: ['embedded', 'file'] as const,
          default: 'embedded',
          describe: 'file: for apt before 2.3.10',
        }),
    input: (values) => ({
      channel: values.channel,
      release: text(values.release),
      key: values.key,
    }),
    render: render.renderText as Render,
  },
]

export const groups: Record<string, { describe: string; commands: readonly ActionCommand[] }> = {
  channel: {
    describe: 'Channels: list, show, diff, seed',
    commands: [
      {
        command: 'list',
        describe: 'All channels',
        verb: 'channel list',
        input: () => ({}),
        render: items(render.renderChannels as never),
      },
      {
        command: 'show <channel>',
        describe: 'What a channel shows, and what is on hold',
        verb: 'channel show',
        input: (values) => ({ channel: values.channel }),
        render: render.renderChannel as Render,
      },
      {
        command: 'diff <from> <to>',
        describe: 'What is different in the second channel',
        verb: 'channel diff',
        examples: [['uus channel diff approved testing', '']],
        input: (values) => ({ from: values.from, to: values.to }),
        render: render.renderDiff as Render,
      },
      {
        command: 'seed <channel>',
        describe: 'Fill indexes that are new to a gated channel with the present state',
        verb: 'channel seed',
        examples: [
          ['uus channel seed approved --archive vendor --reason "trusted as it is"', ''],
          ['uus channel seed approved --empty', 'everything then waits for promotion'],
        ],
        options: (command) =>
          withReason(
            command
              .option('archive', { type: 'string', requiresArg: true, describe: 'Only this archive' })
              .option('suite', { type: 'string', requiresArg: true, describe: 'Only this suite' })
              .option('empty', {
                type: 'boolean',
                default: false,
                describe: 'Show the indexes, with nothing in them',
              }),
          ),
        input: (values) => ({
          channel: values.channel,
          archive: text(values.archive),
          suite: text(values.suite),
          empty: values.empty,
          reason: text(values.reason),
        }),
        render: render.renderSeed as Render,
      },
    ],
  },
  snapshot: {
    describe: 'Snapshots: list, show, diff, rollback',
    commands: [
      {
        command: 'list [channel]',
        describe: 'Snapshots, newest first',
        verb: 'snapshot list',
        input: (values) => ({ channel: text(values.channel) }),
        render: items(render.renderSnapshots as never),
      },
      {
        command: 'show <channel> <id>',
        describe: 'What a snapshot changed',
        verb: 'snapshot show',
        input: (values) => ({ channel: values.channel, id: values.id }),
        render: render.renderSnapshot as Render,
      },
      {
        command: 'diff <channel> <from> [to]',
        describe: 'Compare two snapshots of a channel, or one with the present',
        verb: 'snapshot diff',
        input: (values) => ({ channel: values.channel, from: values.from, to: text(values.to) }),
        render: render.renderDiff as Render,
      },
      {
        command: 'rollback <channel> <id>',
        describe: 'Go back to an old content, and hold what it takes out',
        verb: 'snapshot rollback',
        examples: [
          ['uus snapshot rollback approved 20261123T170547Z --reason "new openssl breaks mail"', ''],
        ],
        options: (command) =>
          withReason(command).demandOption('reason').option('force', {
            type: 'boolean',
            default: false,
            describe: 'Even if files of it cannot be had any more',
          }),
        input: (values) => ({
          channel: values.channel,
          id: values.id,
          reason: values.reason,
          force: values.force,
        }),
        render: render.renderRollback as Render,
      },
    ],
  },
  archive: {
    describe: 'Archives: list, drop',
    commands: [
      {
        command: 'list',
        describe: 'All archives and their suites',
        verb: 'archive list',
        input: () => ({}),
        render: items(render.renderArchives as never),
      },
      {
        command: 'drop <archive>',
        describe: 'Stop serving what left the configuration or vanished upstream',
        verb: 'archive drop',
        options: (command) => withReason(command).demandOption('reason'),
        input: (values) => ({ archive: values.archive, reason: values.reason }),
        render: render.renderDrop as Render,
      },
    ],
  },
  key: {
    describe: 'Signing keys: list, export',
    commands: [
      {
        command: 'list',
        describe: 'The keys of all channels, and of the audit log',
        verb: 'key list',
        input: () => ({}),
        render: items(render.renderKeys as never),
      },
      {
        command: 'export <channel>',
        describe: "A channel's public keys, armored; audit: those of the audit log",
        verb: 'key export',
        input: (values) => ({ channel: values.channel }),
        render: render.renderText as Render,
      },
    ],
  },
}

// The commands without a group that are one action call: flags, help and examples, what is asked, how the answer looks.
import { resolve } from 'node:path'
import { type ActionCommand, list, text, withReason, withRelease, withTo } from './command.ts'
import * as render from './render.ts'
import * as decisions from './render-decisions.ts'
import { renderStatus } from './render-status.ts'
import * as tiers from './render-tiers.ts'
import * as upkeep from './render-upkeep.ts'
import type { Render } from './run.ts'

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
  render: decisions.renderDecide as Render,
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
    render: renderStatus as Render,
  },
  {
    command: 'pending [channel]',
    describe: 'What waits for a gated channel',
    verb: 'pending',
    examples: [['uus pending', 'what waits for approved']],
    options: withRelease,
    input: (values) => ({ channel: text(values.channel), releases: list(values.release) }),
    render: decisions.renderPending as Render,
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
            .option('with-deps', {
              type: 'boolean',
              default: false,
              describe: 'Take along what is needed so that nothing becomes uninstallable',
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
      withDeps: values.withDeps,
      dryRun: values.dryRun,
      force: values.force,
      reason: text(values.reason),
    }),
    render: decisions.renderPromote as Render,
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
    render: decisions.renderExplain as Render,
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
        })
        .option('snapshot', {
          type: 'string',
          requiresArg: true,
          describe: 'Pin clients to this snapshot, or to the state at a time (YYYYMMDDTHHMMSSZ)',
        }),
    input: (values) => ({
      channel: values.channel,
      release: text(values.release),
      key: values.key,
      snapshot: text(values.snapshot),
    }),
    render: render.renderText as Render,
  },
  {
    command: 'remove <selector...>',
    describe: 'Take source versions out of a channel, and bar them from it',
    verb: 'remove',
    examples: [
      ['uus remove xz-utils=5.6.1-1 --channel testing --reason "backdoor"', ''],
      [
        'uus remove xz-utils=5.6.1-1 --channel approved --block --reason "backdoor"',
        'a recall: nobody gets the files any more, from snapshots neither',
      ],
    ],
    options: (command) =>
      withReason(withRelease(command))
        .demandOption('reason')
        .option('channel', { type: 'string', requiresArg: true, demandOption: true, describe: 'From where' })
        .option('block', {
          type: 'boolean',
          default: false,
          describe: 'Serve the files no more at all, in retained snapshots neither',
        })
        .option('dry-run', { type: 'boolean', default: false, describe: 'Show what would go, do nothing' })
        .option('force', {
          type: 'boolean',
          default: false,
          describe: 'Even if much goes, or something that systems need',
        }),
    input: (values) => ({
      selectors: list(values.selector),
      channel: values.channel,
      releases: list(values.release),
      block: values.block,
      force: values.force,
      dryRun: values.dryRun,
      reason: values.reason,
    }),
    render: render.renderRemove as Render,
  },
  {
    command: 'sync',
    describe: 'On a slave: take over what the master has, once (the server does it all the time)',
    verb: 'sync',
    input: () => ({}),
    render: tiers.renderSync as Render,
  },
  {
    command: 'gc',
    describe: 'Collect the files of snapshots that nobody needs any more (the server does it daily)',
    verb: 'gc',
    options: (command) =>
      command.option('dry-run', {
        type: 'boolean',
        default: false,
        describe: 'Only tell which snapshots would go',
      }),
    input: (values) => ({ dryRun: values.dryRun }),
    render: upkeep.renderGc as Render,
  },
  {
    command: 'fsck',
    describe: 'Prove that everything kept and published is what it should be',
    verb: 'fsck',
    options: (command) =>
      command.option('repair', {
        type: 'boolean',
        default: false,
        describe: 'Make damaged indexes again, fetch damaged package files anew',
      }),
    input: (values) => ({ repair: values.repair }),
    render: upkeep.renderFsck as Render,
  },
  {
    command: 'backup <file>',
    describe:
      'Write one file with all that cannot be made again: catalogue, keys, configuration, local packages',
    verb: 'backup',
    examples: [['uus backup /var/backups/uus.tar', 'it has the private keys in it: keep it safe']],
    input: (values) => ({ file: resolve(String(values.file)) }),
    render: upkeep.renderBackup as Render,
  },
]

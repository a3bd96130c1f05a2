// The commands that stand in a group (`uus channel list`): flags, help and examples, what is asked, how the answer looks.
import { resolve } from 'node:path'
import { type CommandGroup, items, list, text, withReason, withRelease } from './command.ts'
import { noticeGroup } from './notice-commands.ts'
import * as render from './render.ts'
import * as decisions from './render-decisions.ts'
import * as tiers from './render-tiers.ts'
import * as upkeep from './render-upkeep.ts'
import type { Render } from './run.ts'
import { userGroup } from './user-commands.ts'

export const groups: Record<string, CommandGroup> = {
  channel: {
    describe: 'Channels: list, show, diff, check, seed',
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
        command: 'check <channel>',
        describe: 'What cannot be installed from a channel, and why',
        verb: 'channel check',
        input: (values) => ({ channel: values.channel }),
        render: decisions.renderCheck as Render,
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
  rules: {
    describe: 'Rules: test',
    commands: [
      {
        command: 'test [channel]',
        describe: 'What each waiting item would get of the rules of a channel',
        verb: 'rules test',
        options: withRelease,
        input: (values) => ({ channel: text(values.channel), releases: list(values.release) }),
        render: decisions.renderRules as Render,
      },
    ],
  },
  snapshot: {
    describe: 'Snapshots: list, show, diff, keep, unkeep, export, import, rollback',
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
        command: 'keep <channel> <id>',
        describe: 'Pin a snapshot: its files are never collected',
        verb: 'snapshot keep',
        examples: [['uus snapshot keep approved 20261123T170547Z --reason "audited"', '']],
        options: withReason,
        input: (values) => ({ channel: values.channel, id: values.id, reason: text(values.reason) }),
        render: render.renderKeep as Render,
      },
      {
        command: 'unkeep <channel> <id>',
        describe: 'Unpin a snapshot',
        verb: 'snapshot unkeep',
        options: withReason,
        input: (values) => ({ channel: values.channel, id: values.id, reason: text(values.reason) }),
        render: render.renderKeep as Render,
      },
      {
        command: 'export <file>',
        describe: 'Write what a channel shows into one file, for slaves that no network reaches',
        verb: 'snapshot export',
        examples: [
          ['uus snapshot export /media/approved.tar', 'everything, with the package files'],
          ['uus snapshot export --since 20261123T170547Z /media/week.tar', 'what is new since then'],
        ],
        options: (command) =>
          command
            .option('channel', { type: 'string', requiresArg: true, default: 'approved', describe: 'Which' })
            .option('since', { type: 'string', requiresArg: true, describe: 'The slave has this snapshot' })
            .option('packages', {
              choices: ['all', 'none'] as const,
              default: 'all',
              describe: 'Package files',
            })
            .option('dry-run', { type: 'boolean', default: false, describe: 'Only tell how large it gets' }),
        input: (values) => ({
          file: resolve(String(values.file)),
          channel: values.channel,
          since: text(values.since),
          packages: values.packages,
          dryRun: values.dryRun,
        }),
        render: tiers.renderExport as Render,
      },
      {
        command: 'import <file>',
        describe: 'On a slave: verify such a file and serve what it says',
        verb: 'snapshot import',
        input: (values) => ({ file: resolve(String(values.file)) }),
        render: tiers.renderImport as Render,
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
    describe: 'Signing keys: list, export, rotate, drop',
    commands: [
      {
        command: 'list',
        describe: 'The keys of all channels',
        verb: 'key list',
        input: () => ({}),
        render: items(upkeep.renderKeys as never),
      },
      {
        command: 'export <channel>',
        describe: "A channel's public keys, armored",
        verb: 'key export',
        input: (values) => ({ channel: values.channel }),
        render: render.renderText as Render,
      },
      {
        command: 'rotate <channel>',
        describe: 'The standby key becomes active; the present one signs beside it until it is dropped',
        verb: 'key rotate',
        options: withReason,
        input: (values) => ({ channel: values.channel, reason: text(values.reason) }),
        render: upkeep.renderKeyChange as Render,
      },
      {
        command: 'drop <channel> <fingerprint>',
        describe: 'Retire a key for good, when no client depends on it any more',
        verb: 'key drop',
        options: (command) =>
          withReason(command).option('force', {
            type: 'boolean',
            default: false,
            describe: 'All clients have the newer keys; needs --reason',
          }),
        input: (values) => ({
          channel: values.channel,
          fingerprint: values.fingerprint,
          force: values.force,
          reason: text(values.reason),
        }),
        render: upkeep.renderKeyChange as Render,
      },
    ],
  },
  notice: noticeGroup,
  user: userGroup,
  slave: {
    describe: 'Servers that follow this one: add, list, revoke',
    commands: [
      {
        command: 'add <name>',
        describe: 'Give a slave its token; the last line is the command to run on its host',
        verb: 'slave add',
        examples: [['uus slave add oslo --channels approved', '']],
        options: (command) =>
          withReason(command).option('channels', {
            type: 'string',
            array: true,
            requiresArg: true,
            describe: 'What it may have (default: all channels)',
          }),
        input: (values) => ({
          name: values.name,
          channels: list(values.channels).flatMap((one) => one.split(',')),
          reason: text(values.reason),
        }),
        render: tiers.renderSlaveAdd as Render,
      },
      {
        command: 'list',
        describe: 'How the slaves are, and what they served',
        verb: 'slave list',
        input: () => ({}),
        render: items(tiers.renderSlaves as never),
      },
      {
        command: 'revoke <name>',
        aliases: ['remove'],
        describe: "From now on the slave's token is good for nothing",
        verb: 'slave revoke',
        options: withReason,
        input: (values) => ({ name: values.name, reason: text(values.reason) }),
        render: tiers.renderSlaveRevoke as Render,
      },
    ],
  },
}

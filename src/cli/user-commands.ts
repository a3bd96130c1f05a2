// `uus user …`: the commands about people. A password is never an argument: others could see it in the process list.
import { readFileSync } from 'node:fs'
import type { Argv } from 'yargs'
import { UusError } from '../lib/errors.ts'
import { type CommandGroup, items, text, withReason } from './command.ts'
import * as users from './render-users.ts'
import type { Render } from './run.ts'

const roleChoices = ['viewer', 'approver', 'admin'] as const

const withPasswordFile = (command: Argv) =>
  command.option('password-file', {
    type: 'string',
    requiresArg: true,
    describe: 'The file whose first line is the password; - for standard input',
  })

export const userGroup: CommandGroup = {
  describe: 'Users of the HTTP interface: add, list, role, password, token, revoke, remove',
  commands: [
    {
      command: 'add <name>',
      describe: 'Let somebody use the HTTP interface',
      verb: 'user add',
      examples: [['uus user add andrew --role approver', 'then give a token: uus user token andrew']],
      options: (command) =>
        withReason(
          withPasswordFile(
            command.option('role', {
              choices: roleChoices,
              demandOption: true,
              describe: 'viewer sees everything; approver decides and promotes; admin does all',
            }),
          ),
        ),
      input: (values) => ({
        name: values.name,
        role: values.role,
        password: readPassword(values.passwordFile),
        reason: text(values.reason),
      }),
      render: users.renderUserAdd as Render,
    },
    {
      command: 'list',
      describe: 'All users and their tokens',
      verb: 'user list',
      input: () => ({}),
      render: items(users.renderUsers as never),
    },
    {
      command: 'role <name> <role>',
      describe: 'Change what a user may; at once, for their tokens too',
      verb: 'user role',
      options: withReason,
      input: (values) => ({ name: values.name, role: values.role, reason: text(values.reason) }),
      render: users.renderUserRole as Render,
    },
    {
      command: 'password <name>',
      describe: 'Give a user another password, or with --none take it away',
      verb: 'user password',
      options: (command) =>
        withReason(withPasswordFile(command).option('none', { type: 'boolean', describe: 'Tokens only' }))
          .conflicts('none', 'password-file')
          .check((values) => {
            if (values.none === true || values.passwordFile !== undefined) return true
            throw new UusError('USAGE', 'Which password?', {
              hint: 'Name a file with --password-file (- for standard input), or say --none',
            })
          }),
      input: (values) => ({
        name: values.name,
        password: readPassword(values.passwordFile),
        reason: text(values.reason),
      }),
      render: users.renderUserPassword as Render,
    },
    {
      command: 'token <name>',
      describe: 'Make an API token; it is shown once',
      verb: 'user token',
      examples: [['uus user token ci --expires 30d --purpose "nightly build"', '']],
      options: (command) =>
        withReason(
          command
            .option('expires', {
              type: 'string',
              requiresArg: true,
              default: '90d',
              describe: 'How long it is good',
            })
            .option('purpose', { type: 'string', requiresArg: true, describe: 'What it is for' }),
        ),
      input: (values) => ({
        name: values.name,
        expires: values.expires,
        purpose: text(values.purpose),
        reason: text(values.reason),
      }),
      render: users.renderToken as Render,
    },
    {
      command: 'revoke <name> <token>',
      describe: 'Make a token useless, by its number in "uus user list"',
      verb: 'user revoke',
      options: withReason,
      input: (values) => ({ name: values.name, token: Number(values.token), reason: text(values.reason) }),
      render: users.renderUserRevoke as Render,
    },
    {
      command: 'remove <name>',
      describe: 'Let a user in no more, and revoke all their tokens',
      verb: 'user remove',
      options: withReason,
      input: (values) => ({ name: values.name, reason: text(values.reason) }),
      render: users.renderUserRemove as Render,
    },
  ],
}

function readPassword(file: unknown): string | null {
  if (file === undefined) return null
  const standardInput = 0
  try {
    return readFileSync(file === '-' ? standardInput : String(file), 'utf8').split(/\r?\n/)[0]!
  } catch (error) {
    throw new UusError('USAGE', `Cannot read the password: ${(error as Error).message}`, {
      cause: error,
      hint: 'Name a file that you may read, or - for standard input',
    })
  }
}

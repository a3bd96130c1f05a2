// What each verb does, in one line: the command line's words, for whoever else describes actions.
import { groups } from './command-groups.ts'
import { topCommands } from './commands.ts'

/** Also for the verbs that have no command of their own, or one that is more than a call. */
export function commandSummaries(): Map<string, string> {
  const commands = [...topCommands, ...Object.values(groups).flatMap((group) => group.commands)]
  return new Map([
    ...commands.map(({ verb, describe }): [string, string] => [verb, describe]),
    [
      'add',
      'Packages, or a signed .changes with all that it lists, into a local archive and on into a channel',
    ],
    ['audit', 'What was done, by whom, when and why; page by page: "next" is the input of the next page'],
    ['conf', 'apt and unattended-upgrades settings for clients of a channel'],
    ['pins', 'The pin file for machines that already have what a rollback takes back'],
    ['reset dates', 'Publish with present dates again, after the clock was wrong'],
  ])
}

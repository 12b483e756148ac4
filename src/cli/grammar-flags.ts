import { type Command, Option } from 'commander'
import { collectText } from './collect-text.ts'

/** What an output must look like, as it was given; one of them at most. */
export interface GrammarFlags {
  /** Path of a file. */
  readonly jsonSchema?: string
  readonly regex?: string
  /** Path of a file. */
  readonly grammar?: string
  readonly choice?: readonly string[]
}

const names = ['jsonSchema', 'regex', 'grammar', 'choice']

export function addGrammarOptions(command: Command): void {
  const options = [
    new Option('--json-schema <file>', 'write JSON that is valid under the JSON Schema of a file'),
    new Option('--regex <pattern>', 'write a text that a JavaScript expression matches as a whole'),
    new Option('--grammar <file>', "write a text of the grammar (EBNF, from the rule 'root') of a file"),
    new Option('--choice <text>', 'write one of these texts; given several times').argParser(collectText),
  ]
  for (const option of options) command.addOption(option.conflicts(names.filter((name) => name !== option.attributeName())))
}

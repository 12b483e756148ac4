import type { TextTokenizer } from '../../base/model.ts'
import type { Constraint } from '../../decode/index.ts'
import { parseJson } from '../../formats/index.ts'
import type { GrammarSpec } from '../../grammars/index.ts'
import type { GrammarFlags } from '../grammar-flags.ts'
import { readText } from '../read-text.ts'

/** What an output must look like, while it is generated. */
export interface OutputForm extends AsyncDisposable {
  readonly constraint: Constraint | undefined
}

interface TextModel {
  readonly tokenizer: TextTokenizer
  readonly stepper: { readonly vocabularySize: number }
}

const deepest = 256

/** The form that the options ask for, if any. Throws OptionError for what is not supported, LimitError, and FormatError for a broken file. */
export async function openForm(flags: GrammarFlags, { tokenizer, stepper }: TextModel, signal: AbortSignal): Promise<OutputForm> {
  const spec = await specOf(flags)
  if (spec === undefined) return { constraint: undefined, [Symbol.asyncDispose]: async () => undefined }
  const { openGrammarCompiler } = await import('../../grammars/index.ts')
  const grammars = await openGrammarCompiler({ tokenizer, vocabularySize: stepper.vocabularySize })
  try {
    const constraint = await grammars.compile(spec, { signal })
    return { constraint, [Symbol.asyncDispose]: () => grammars[Symbol.asyncDispose]() }
  } catch (error) {
    await grammars[Symbol.asyncDispose]()
    throw error
  }
}

async function specOf({ jsonSchema, regex, grammar, choice }: GrammarFlags): Promise<GrammarSpec | undefined> {
  if (jsonSchema !== undefined) {
    const schema = parseJson(await readText(jsonSchema), { what: jsonSchema, maxDepth: deepest, refuseDuplicates: true })
    return { kind: 'json-schema', schema }
  }
  if (regex !== undefined) return { kind: 'regex', pattern: regex }
  if (grammar !== undefined) return { kind: 'ebnf', grammar: await readText(grammar) }
  return choice === undefined ? undefined : { kind: 'choice', choices: choice }
}

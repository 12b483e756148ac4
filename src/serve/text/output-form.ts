import * as v from 'valibot'
import { LimitError, OptionError } from '../../base/errors.ts'
import type { Constraint } from '../../decode/index.ts'
import type { GrammarSpec } from '../../grammars/index.ts'
import { invalid, tooLarge } from '../api-error.ts'
import type { SamplingFields } from '../sampling-fields.ts'
import type { TextHost } from './text-host.ts'

const schemaName = v.pipe(v.string(), v.regex(/^[\w-]{1,64}$/, 'expected 1 to 64 letters, digits, _ and -'))

const namedSchema = {
  name: schemaName,
  description: v.optional(v.string()),
  schema: v.record(v.string(), v.unknown()),
  /** Outputs are always valid; there is nothing less strict to choose. */
  strict: v.optional(v.nullable(v.boolean())),
}

/** `response_format` of chat completions. */
export const responseFormat = v.variant('type', [
  v.strictObject({ type: v.literal('text') }),
  v.strictObject({ type: v.literal('json_object') }),
  v.strictObject({ type: v.literal('json_schema'), json_schema: v.strictObject(namedSchema) }),
])

/** `text.format` of responses: the same, flat. */
export const flatFormat = v.variant('type', [
  v.strictObject({ type: v.literal('text') }),
  v.strictObject({ type: v.literal('json_object') }),
  v.strictObject({ type: v.literal('json_schema'), ...namedSchema }),
])

export type ResponseFormat = v.InferOutput<typeof responseFormat>

/** What the output must look like; undefined: anything. Throws ApiError when two fields say it. */
export function formOf(
  { regex, grammar, choices, ignore_eos }: Pick<SamplingFields, 'regex' | 'grammar' | 'choices' | 'ignore_eos'>,
  format: ResponseFormat | undefined,
): GrammarSpec | undefined {
  const forms: [string, GrammarSpec | undefined][] = [
    ['response_format', format && formOfFormat(format)],
    ['regex', regex === undefined ? undefined : { kind: 'regex', pattern: regex }],
    ['grammar', grammar === undefined ? undefined : { kind: 'ebnf', grammar }],
    ['choices', choices && { kind: 'choice', choices }],
  ]
  const given = forms.filter(([, form]) => form !== undefined)
  if (given.length > 1)
    throw invalid(given[1]![0], `${given.map(([name]) => name).join(' and ')} both say what the output looks like`)
  if (given.length > 0 && ignore_eos === true)
    throw invalid('ignore_eos', 'what the output looks like says where it ends', 'unsupported_combination')
  return given[0]?.[1]
}

function formOfFormat(format: ResponseFormat): GrammarSpec | undefined {
  if (format.type === 'text') return undefined
  return format.type === 'json_object' ? { kind: 'json' } : { kind: 'json-schema', schema: format.json_schema.schema }
}

/** The fields that say a form. */
const params: Readonly<Record<GrammarSpec['kind'], string>> = {
  json: 'response_format',
  'json-schema': 'response_format',
  regex: 'regex',
  ebnf: 'grammar',
  choice: 'choices',
  tagged: 'tools',
  'one-tag': 'tools',
}

/** What a form allows. Rejects with ApiError, which names the field, where the form is malformed or not supported. */
export async function constraintFor(
  host: Pick<TextHost, 'constraintOf'>,
  form: GrammarSpec | undefined,
  signal: AbortSignal,
  param?: string,
): Promise<Constraint | undefined> {
  if (form === undefined) return undefined
  try {
    return await host.constraintOf(form, signal)
  } catch (error) {
    const field = param ?? params[form.kind]
    if (error instanceof OptionError) throw invalid(field, error.message)
    if (error instanceof LimitError) throw tooLarge(field, error.message)
    throw error
  }
}

import * as v from 'valibot'
import { DataError, FormatError, NextxError } from '../base/errors.ts'
import { checkOptions, shortened } from '../base/options.ts'
import { quoted } from './checked.ts'
import { BoundedInterpreter } from './jinja/bounded-interpreter.ts'
import { boundedRange, longestText } from './jinja/budget.ts'
import { dateFormatter } from './jinja/dates.ts'
import { Environment, type Node, parseTemplate } from './jinja/library.ts'
import { plainData } from './jinja/plain-data.ts'

/** One turn of a conversation, as chat templates take it: further fields (`tool_calls`, `name` …) are the template's affair. */
export interface ChatMessage {
  /** `user`, `assistant`, `system`, or another role that the template knows. */
  readonly role: string
  readonly content: string | null | readonly unknown[]
  readonly [field: string]: unknown
}

export interface ChatTemplateOptions {
  /** What the template's `bos_token` is. Default ''. */
  readonly bosToken?: string
  /** What the template's `eos_token` is. Default ''. */
  readonly eosToken?: string
  /** Further variables of the template, such as `{ enable_thinking: false }`: plain data. */
  readonly variables?: Readonly<Record<string, unknown>>
  /** The day that templates which ask for it are told. Default: that of the call. */
  readonly now?: Date
}

export interface RenderOptions {
  /** End with what an answer begins with. Default false. */
  readonly addGenerationPrompt?: boolean
  /** Descriptions of tools, for templates that have a place for them. */
  readonly tools?: readonly unknown[]
}

export interface ChatTemplate {
  readonly source: string
  /**
   * The conversation as one text. Throws DataError when the messages are no plain data or the template refuses them, FormatError
   * when it takes too long, makes too much or fails.
   */
  render(messages: readonly ChatMessage[], options?: RenderOptions): string
}

const longestSource = 2 ** 18
/** The library looks at every suffix of such a run. */
const longestSpaces = 256

const optionSchema = v.strictObject({
  bosToken: v.optional(v.string()),
  eosToken: v.optional(v.string()),
  variables: v.optional(v.record(v.string(), v.unknown())),
  now: v.optional(v.date()),
})
const renderSchema = v.strictObject({ addGenerationPrompt: v.optional(v.boolean()), tools: v.optional(v.array(v.unknown())) })
const messageSchema = v.looseObject({
  role: v.string(),
  content: v.nullable(v.union([v.string(), v.array(v.unknown())])),
})

/**
 * A chat template in the language of Jinja, as `chat_template` of tokenizer_config.json and `tokenizer.chat_template` of GGUF files
 * have it. It comes with the model, so it is not trusted: the length of the template and of all that it makes and the number of its
 * steps are limited, and it sees nothing but the messages.
 *
 * @throws FormatError when the template is too long or malformed; OptionError for unknown options.
 * @example
 * const template = chatTemplate('{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}')
 * template.render([{ role: 'user', content: 'Hello' }]) // '<user>Hello'
 */
export function chatTemplate(source: string, options: ChatTemplateOptions = {}): ChatTemplate {
  checkOptions(optionSchema, options, 'chatTemplate')
  const { bosToken = '', eosToken = '', variables = {}, now = new Date() } = options
  const given = plainData(variables, 'the variables')
  const program = readTemplate(source)
  return {
    source,
    render(messages, renderOptions = {}) {
      checkOptions(renderSchema, renderOptions, 'render')
      const { addGenerationPrompt = false, tools } = renderOptions
      return run(program, {
        ...(given as object),
        messages: plainData(checkedMessages(messages), 'the messages'),
        add_generation_prompt: addGenerationPrompt,
        bos_token: bosToken,
        eos_token: eosToken,
        strftime_now: dateFormatter(now),
        ...(tools !== undefined && { tools: plainData(tools, 'the tools') }),
      })
    },
  }
}

/**
 * The template in the field `chat_template` of tokenizer_config.json: a text, or a list of named ones, of which it takes `name`
 * (default 'default'), or the only one. Undefined where there is none.
 *
 * @throws FormatError when it is neither, or the list lacks the name.
 * @example
 * const source = chatTemplateSource([{ name: 'default', template: '{{ messages }}' }])
 */
export function chatTemplateSource(field: unknown, name = 'default'): string | undefined {
  if (field === undefined || field === null || typeof field === 'string') return field ?? undefined
  const named = v.safeParse(v.array(v.looseObject({ name: v.string(), template: v.string() })), field)
  if (!named.success) throw new FormatError('chat_template is neither a text nor a list of named templates')
  const [only, ...others] = named.output
  const found = named.output.find((entry) => entry.name === name) ?? (others.length === 0 ? only : undefined)
  if (found !== undefined) return found.template
  throw new FormatError(`there is no chat template ${quoted(name)}`, {
    expected: named.output.map((entry) => quoted(entry.name)).join(', '),
  })
}

function readTemplate(source: string): Node {
  if (typeof source !== 'string') throw new FormatError(`the chat template is ${typeof source}`, { expected: 'a text' })
  if (source.length > longestSource) {
    throw new FormatError(`the chat template has ${source.length} characters`, { expected: `at most ${longestSource}` })
  }
  if (new RegExp(`\\s{${longestSpaces + 1}}`).test(source)) {
    throw new FormatError('the chat template has too much space in one place', {
      expected: `at most ${longestSpaces} characters of it`,
    })
  }
  try {
    return parseTemplate(source)
  } catch (cause) {
    throw new FormatError(`the chat template is malformed: ${messageOf(cause)}`, { cause })
  }
}

function checkedMessages(messages: readonly ChatMessage[]): readonly ChatMessage[] {
  if (!Array.isArray(messages) || messages.length === 0)
    throw new DataError('the messages are no list', { expected: 'at least one message' })
  for (const [index, message] of messages.entries()) {
    if (!v.is(messageSchema, message))
      throw new DataError(`message ${index} has no role or no content`, { expected: '{ role, content }' })
  }
  return messages
}

/** What a template said with `raise_exception`. */
class Refusal extends Error {}

function run(program: Node, variables: Readonly<Record<string, unknown>>): string {
  const environment = new Environment()
  const constants = { true: true, false: false, none: null, True: true, False: false, None: null }
  const functions = { range: boundedRange, raise_exception: refuse }
  try {
    for (const [name, value] of Object.entries({ ...constants, ...functions, ...variables })) environment.set(name, value)
    const text = String(new BoundedInterpreter(environment).run(program).value)
    if (text.length <= longestText) return text
    throw new FormatError(`the chat template makes ${text.length} characters`, { expected: `at most ${longestText}` })
  } catch (cause) {
    if (cause instanceof NextxError) throw cause
    if (cause instanceof Refusal) throw new DataError(`the chat template refuses the messages: ${messageOf(cause)}`)
    throw new FormatError(`the chat template fails: ${messageOf(cause)}`, { cause })
  }
}

function refuse(message: unknown): never {
  throw new Refusal(String(message))
}

function messageOf(error: unknown): string {
  return shortened(error instanceof Error ? error.message : String(error))
}

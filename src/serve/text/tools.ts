import * as v from 'valibot'
import type { GrammarSpec, TaggedSchema } from '../../grammars/index.ts'
import { invalid } from '../api-error.ts'
import type { ServeLimits } from '../limits.ts'

export interface Tool {
  readonly name: string
  readonly description?: string | undefined
  /** JSON Schema of the arguments. */
  readonly parameters?: Readonly<Record<string, unknown>> | undefined
}

/** `auto`: text or calls, as the model likes; `required`: a call of some tool, or of the one that is named. */
export type ToolChoice = 'none' | 'auto' | 'required' | { readonly name: string }

/** A call that a model made. */
export interface ToolCall {
  readonly name: string
  /** JSON. */
  readonly arguments: string
}

/** What begins and ends a call within free text, as many published models learnt it. */
export const callTags = { begin: '<tool_call>', end: '</tool_call>' } as const

export const toolName = v.pipe(v.string(), v.regex(/^[\w-]{1,64}$/, 'expected 1 to 64 letters, digits, _ and -'))
export const toolParameters = v.record(v.string(), v.unknown())

/** Throws ApiError where two tools have one name, there are too many, or the choice names none of them. */
export function checkTools(tools: readonly Tool[], choice: ToolChoice, limits: ServeLimits): void {
  if (tools.length > limits.tools) throw invalid('tools', `${tools.length} tools, expected at most ${limits.tools}`)
  const names = tools.map(({ name }) => name)
  const double = names.find((name, i) => names.indexOf(name) !== i)
  if (double !== undefined) throw invalid('tools', `two tools are called '${double}'`)
  if (typeof choice === 'object' && !names.includes(choice.name)) throw invalid('tool_choice', `there is no tool '${choice.name}'`)
  if (tools.length === 0 && (choice === 'required' || choice === 'auto')) throw invalid('tool_choice', 'a choice among no tools')
}

/** The calls that may or must be made, as a grammar. Throws ApiError on parameters that are no objects. */
export function callGrammar(tools: readonly Tool[], choice: Exclude<ToolChoice, 'none'>): GrammarSpec {
  if (choice === 'auto') {
    const around = { begin: `${callTags.begin}\n`, end: `\n${callTags.end}` }
    return { kind: 'tagged', triggers: [callTags.begin], tags: tools.map((tool) => taggedCall(tool, around)) }
  }
  const chosen = typeof choice === 'object' ? tools.filter(({ name }) => name === choice.name) : tools
  return { kind: 'one-tag', tags: chosen.map((tool) => taggedCall(tool, { begin: '', end: '' })) }
}

function taggedCall(tool: Tool, { begin, end }: { readonly begin: string; readonly end: string }): TaggedSchema {
  return {
    begin: `${begin}{"name": ${JSON.stringify(tool.name)}, "arguments": `,
    schema: argumentsSchema(tool),
    end: `}${end}`,
  }
}

function argumentsSchema({ name, parameters }: Tool): object {
  if (parameters === undefined) return { type: 'object', properties: {}, additionalProperties: false }
  if (Object.keys(parameters).length === 0) return { type: 'object' }
  if (parameters.type !== undefined && parameters.type !== 'object')
    throw invalid('tools', `the parameters of '${name}' are of type ${JSON.stringify(parameters.type)}, expected 'object'`)
  return parameters
}

const callShape = v.looseObject({ name: v.string(), arguments: v.record(v.string(), v.unknown()) })

/** A call as the model wrote it; undefined when it is none. */
export function readCall(text: string): ToolCall | undefined {
  try {
    const { name, arguments: given } = v.parse(callShape, JSON.parse(text))
    return { name, arguments: JSON.stringify(given) }
  } catch {
    return undefined
  }
}

const cutCall = /^\s*\{\s*"name"\s*:\s*"((?:[^"\\]|\\.)*)"\s*,\s*"arguments"\s*:\s*/

/** A call that was cut before its end: its arguments are no JSON yet. Undefined when not even its name is whole. */
export function readCutCall(text: string): ToolCall | undefined {
  const [head, name] = cutCall.exec(text) ?? []
  return head === undefined || name === undefined ? undefined : { name, arguments: text.slice(head.length) }
}

/** Tells a model that has no place for tools in its template what there is, and how to call it. */
export function toolsMessage(tools: readonly Tool[]): string {
  const lines = tools.map(({ name, description, parameters }) => JSON.stringify({ name, description, parameters }))
  return [
    'These tools can be called, one JSON object a line:',
    ...lines,
    `To call one, write ${callTags.begin}, a line with {"name": <its name>, "arguments": <an object>}, and ${callTags.end}.`,
  ].join('\n')
}

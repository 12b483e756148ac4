import type { FinishReason, GeneratedToken } from '../../decode/index.ts'
import type { GrammarSpec } from '../../grammars/index.ts'
import type { ChatMessage } from '../../tokenizers/index.ts'
import { invalid } from '../api-error.ts'
import type { TokenCounts } from '../observer.ts'
import { engineOptionsOf, type SamplingFields, seedOf, stopsOf, stopTokensOf } from '../sampling-fields.ts'
import { type CallReader, plainReader, taggedReader, wholeCallReader } from './call-reader.ts'
import { type Answering, type AskContext, type Piece, startAnswers } from './generation.ts'
import { constraintFor } from './output-form.ts'
import { chatOf, checkCharacters, checkPrompt } from './text-host.ts'
import { callGrammar, callTags, checkTools, type Tool, type ToolCall, type ToolChoice, toolsMessage } from './tools.ts'

/** What chat completions and responses have in common, once read. */
export interface Conversation {
  readonly messages: readonly ChatMessage[]
  readonly tools: readonly Tool[]
  readonly toolChoice: ToolChoice
  /** Whether an answer may have several calls. */
  readonly parallel: boolean
  readonly form: GrammarSpec | undefined
  readonly fields: SamplingFields
  readonly maxTokens: number | undefined
  readonly topLogProbs: number | undefined
}

/** What an answer grows by. */
export interface Delta {
  readonly choice: number
  readonly text: string
  readonly calls: readonly ToolCall[]
  readonly tokens: readonly GeneratedToken[]
  readonly finish?: 'stop' | 'length' | 'tool_calls'
}

export interface Replying {
  readonly deltas: AsyncGenerator<Delta, void, undefined>
  counts(): TokenCounts
  close(): Promise<void>
}

/** Puts the answers to a conversation in line. Rejects as `startAnswers` does, with ApiError on what the model cannot do. */
export async function startReplies(conversation: Conversation, name: string, context: AskContext): Promise<Replying> {
  const { fields, tools, toolChoice } = conversation
  const { host, limits, signal } = context
  checkTools(tools, toolChoice, limits)
  const form = wantedForm(conversation)
  const chat = chatOf(host, name)
  checkCharacters('messages', charactersOf(conversation), host, limits)
  const prompt = chat.encode(...promptOf(conversation, chat.writesTools))
  checkPrompt('messages', prompt.length, limits)
  const constraint = await constraintFor(host, form, signal, toolChoice === 'none' ? undefined : 'tools')
  const { maxTokens = limits.answerTokens, topLogProbs } = conversation
  const ask = {
    prompt,
    count: fields.n,
    seed: (choice: number) => seedOf(fields.seed, choice),
    options: { ...engineOptionsOf(fields), maxTokens, topLogProbs },
    stop: [...chat.stop, ...stopsOf(fields), ...(toolChoice === 'auto' && !conversation.parallel ? [callTags.end] : [])],
    stopTokens: stopTokensOf(fields),
    constraint,
  }
  const answers = await startAnswers([ask], context)
  return { ...answers, deltas: deltasOf(answers, () => readerFor(toolChoice)) }
}

/** Of everything that a template may write. */
export function charactersOf({ messages, tools }: Pick<Conversation, 'messages' | 'tools'>): number {
  return (
    messages.reduce((total, { content }) => total + (typeof content === 'string' ? content.length : 0), 0) +
    (tools.length === 0 ? 0 : JSON.stringify(tools).length)
  )
}

/** One thing alone can say what an output looks like. */
function wantedForm({ form, tools, toolChoice }: Conversation): GrammarSpec | undefined {
  if (toolChoice === 'none') return form
  if (form !== undefined) throw invalid('response_format', 'a form of the output together with tools', 'unsupported_combination')
  return callGrammar(tools, toolChoice)
}

function promptOf(
  { messages, tools, toolChoice }: Conversation,
  writesTools: boolean,
): [ChatMessage[], { addGenerationPrompt: true; tools?: unknown[] }] {
  const options = { addGenerationPrompt: true } as const
  if (toolChoice === 'none') return [[...messages], options]
  if (writesTools) return [[...messages], { ...options, tools: tools.map((tool) => ({ type: 'function', function: tool })) }]
  const [first, ...others] = messages
  const told = toolsMessage(tools)
  const withTools =
    first?.role === 'system'
      ? [{ ...first, content: `${String(first.content)}\n\n${told}` }, ...others]
      : [{ role: 'system', content: told }, ...messages]
  return [withTools, options]
}

function readerFor(choice: ToolChoice): CallReader {
  if (choice === 'none') return plainReader()
  return choice === 'auto' ? taggedReader() : wholeCallReader()
}

async function* deltasOf({ pieces }: Answering, open: () => CallReader): AsyncGenerator<Delta, void, undefined> {
  const readers = new Map<number, { readonly reader: CallReader; calls: number }>()
  for await (const piece of pieces) {
    const known = readers.get(piece.choice) ?? { reader: open(), calls: 0 }
    readers.set(piece.choice, known)
    const delta = deltaOf(piece, known.reader)
    known.calls += delta.calls.length
    yield piece.finish === undefined ? delta : { ...delta, finish: finishOf(piece.finish, known.calls) }
  }
}

function deltaOf({ choice, text, tokens, finish }: Piece, reader: CallReader): Delta {
  const said = reader.push(text)
  if (finish === undefined) return { choice, tokens, ...said }
  const rest = reader.end()
  return { choice, tokens, text: said.text + rest.text, calls: [...said.calls, ...rest.calls] }
}

function finishOf(finish: FinishReason, calls: number): NonNullable<Delta['finish']> {
  if (finish === 'length') return 'length'
  return calls > 0 ? 'tool_calls' : 'stop'
}

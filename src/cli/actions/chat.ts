import process from 'node:process'
import { ContextError, DataError, NextxError, OptionError } from '../../base/errors.ts'
import { type ChatSession, type FinishReason, type GenerateTextOptions, openChatSession } from '../../decode/index.ts'
import { type ChatFormat, readChatFormat, readTemplateFile, type TextModel } from '../../systems/index.ts'
import { type ChatTokenizer, chatTemplate, encodeChat } from '../../tokenizers/index.ts'
import type { ChatFlags } from '../chat.ts'
import { contextOf } from '../context-flags.ts'
import { Exit, interruptible, type PartRunner } from '../exit.ts'
import { decimals, thousands } from '../format.ts'
import { modelPath, withModel } from '../model.ts'
import { readLines } from '../stdin.ts'
import { note, noteError, styled, write, writeJsonLine } from '../terminal.ts'

/** `nextx chat`. */
export async function chatAction(name: string, flags: ChatFlags): Promise<void> {
  await interruptible(async (signal, runPart) => {
    const format = await formatOf(name, flags)
    await withModel(name, { ...flags, ...contextOf(flags), signal }, async (model) => {
      await converse({
        open: () => openSession(model, format, flags),
        lines: readLines('a message', signal),
        flags: { ...flags, stop: [...format.stop, ...(flags.stop ?? [])] },
        onTerminal: process.stdin.isTTY === true && process.stdout.isTTY === true,
        signal,
        runPart,
      })
    })
  })
}

async function formatOf(name: string, { template }: ChatFlags): Promise<ChatFormat> {
  const own = await readChatFormat(await modelPath(name))
  if (template !== undefined) {
    const source = await readTemplateFile(template)
    if (source === undefined) throw new DataError(`there is no file '${template}'`, { expected: 'a chat template' })
    return { ...own, template: source, stop: [] }
  }
  if (own !== undefined) return own
  throw new OptionError(`the model '${name}' has no chat template`, {
    expected: 'a chat_template.jinja, or a chat_template in tokenizer_config.json',
    fix: "if it is a chat model, give its template with --template <file>; to continue texts, use 'nextx generate'",
  })
}

function openSession(model: TextModel, format: ChatFormat, { systemPrompt }: ChatFlags): ChatSession {
  const tokenizer: TextModel['tokenizer'] & ChatTokenizer = model.tokenizer
  const nameOf = (id: number | undefined) => [...(tokenizer.specialTokens ?? [])].find(([, one]) => one === id)?.[0] ?? ''
  const { bosToken = nameOf(tokenizer.startToken), eosToken = nameOf(tokenizer.endTokens[0]) } = format
  const template = chatTemplate(format.template, { bosToken, eosToken })
  return openChatSession(model.stepper, tokenizer, {
    encode: (turns) =>
      encodeChat(
        tokenizer,
        template,
        turns.map((turn) => ({ ...turn })),
        { addGenerationPrompt: true },
      ),
    ...(systemPrompt !== undefined && { system: systemPrompt }),
  })
}

export interface Conversation {
  readonly open: () => ChatSession
  readonly lines: AsyncIterable<string>
  readonly flags: ChatFlags
  /** Whether somebody reads the answers as they come, and can say something else after an error. */
  readonly onTerminal: boolean
  readonly signal: AbortSignal
  readonly runPart: PartRunner
}

/** The line that begins a new conversation. */
const newConversation = '/new'

/** Answers line after line. */
export async function converse({ open, lines, flags, onTerminal, signal, runPart }: Conversation): Promise<void> {
  const prompt = () => {
    if (onTerminal) write('> ')
  }
  let chat = open()
  try {
    prompt()
    for await (const line of lines) {
      if (line.trim() === newConversation) {
        await chat[Symbol.asyncDispose]()
        chat = open()
      } else if (line.trim() !== '') {
        await runPart((part) => answer(chat, line, flags, part)).catch((error) => goOn(error, signal.aborted, onTerminal))
      }
      prompt()
    }
    if (onTerminal) write('\n')
  } finally {
    await chat[Symbol.asyncDispose]()
  }
}

/** An answer that was stopped is no end of the conversation, unless the whole was; nor, on a terminal, is one that cannot be given. */
function goOn(error: unknown, stopped: boolean, onTerminal: boolean): void {
  if (stopped || !(error instanceof Exit || (onTerminal && error instanceof NextxError))) throw error
  if (error instanceof Exit) return
  noteError(error.message)
  if (error instanceof ContextError) note(`${newConversation} begins a new conversation`)
}

interface Answer {
  text: string
  tokens: number
  finish: FinishReason | undefined
}

async function answer(chat: ChatSession, message: string, flags: ChatFlags, signal: AbortSignal): Promise<void> {
  const given: Answer = { text: '', tokens: 0, finish: undefined }
  const start = performance.now()
  try {
    for await (const { text, tokens, finish } of chat.send(message, { ...optionsOf(flags), signal })) {
      given.text += text
      given.tokens += tokens.length
      given.finish = finish
      if (flags.json !== true) write(text)
    }
  } finally {
    if (flags.json !== true && given.tokens > 0 && !given.text.endsWith('\n')) write('\n')
    if (flags.stats === true && given.tokens > 0) printStats(chat, given, (performance.now() - start) / 1000)
  }
  if (flags.json === true) {
    const { promptTokens, reusedTokens } = chat
    writeJsonLine({ ...given, promptTokens, reusedTokens, seconds: (performance.now() - start) / 1000 })
  }
}

/** What the library takes of them. */
function optionsOf(flags: ChatFlags): GenerateTextOptions {
  const { systemPrompt: _system, template: _template, json: _json, stats: _stats, threads: _threads, ...others } = flags
  const { context: _context, ropeScaling: _scaling, ...options } = others
  return { seed: crypto.getRandomValues(new Uint32Array(1))[0]!, ...options }
}

function printStats({ promptTokens, reusedTokens }: ChatSession, { tokens, finish }: Answer, seconds: number): void {
  const lines = [
    `${thousands(promptTokens)} tokens of conversation, ${thousands(reusedTokens)} of them reused`,
    `${thousands(tokens)} tokens in ${decimals(seconds, 2)} s, finish: ${finish ?? 'stopped'}`,
  ]
  note(styled('dim', lines.join('\n'), process.stderr))
}

import process from 'node:process'
import { DataError, OptionError } from '../../base/errors.ts'
import { type ChatSession, type FinishReason, type GenerateTextOptions, openChatSession } from '../../decode/index.ts'
import { type ChatFormat, readChatFormat, readTemplateFile, type TextModel } from '../../systems/index.ts'
import { type ChatTokenizer, chatTemplate, encodeChat } from '../../tokenizers/index.ts'
import type { ChatFlags } from '../chat.ts'
import { Exit, interruptible, type PartRunner } from '../exit.ts'
import { decimals, thousands } from '../format.ts'
import { modelPath, withModel } from '../model.ts'
import { readLines } from '../stdin.ts'
import { note, styled, write, writeJsonLine } from '../terminal.ts'

/** `nextx chat`. */
export async function chatAction(name: string, flags: ChatFlags): Promise<void> {
  await interruptible(async (signal, runPart) => {
    const format = await formatOf(name, flags)
    await withModel(name, flags, async (model) => {
      const chat = openSession(model, format, flags)
      try {
        await converse(chat, { ...flags, stop: [...format.stop, ...(flags.stop ?? [])] }, signal, runPart)
      } finally {
        await chat[Symbol.asyncDispose]()
      }
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

async function converse(chat: ChatSession, flags: ChatFlags, signal: AbortSignal, runPart: PartRunner): Promise<void> {
  const prompt = () => {
    if (process.stdin.isTTY && process.stdout.isTTY) write('> ')
  }
  prompt()
  for await (const line of readLines('a message', signal)) {
    if (line.trim() !== '') await runPart((part) => answer(chat, line, flags, part)).catch(unlessStopped(signal))
    prompt()
  }
  if (process.stdin.isTTY && process.stdout.isTTY) write('\n')
}

/** An answer that was stopped is no end of the conversation, unless the whole was. */
function unlessStopped(signal: AbortSignal): (error: unknown) => void {
  return (error) => {
    if (!(error instanceof Exit) || signal.aborted) throw error
  }
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
  const { systemPrompt: _system, template: _template, json: _json, stats: _stats, threads: _threads, ...options } = flags
  return { seed: crypto.getRandomValues(new Uint32Array(1))[0]!, ...options }
}

function printStats({ promptTokens, reusedTokens }: ChatSession, { tokens, finish }: Answer, seconds: number): void {
  const lines = [
    `${thousands(promptTokens)} tokens of conversation, ${thousands(reusedTokens)} of them reused`,
    `${thousands(tokens)} tokens in ${decimals(seconds, 2)} s, finish: ${finish ?? 'stopped'}`,
  ]
  note(styled('dim', lines.join('\n'), process.stderr))
}

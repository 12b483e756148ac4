import process from 'node:process'
import { OptionError } from '../../base/errors.ts'
import type { TextTokenizer } from '../../base/model.ts'
import {
  type FinishReason,
  type GeneratedText,
  type GeneratedToken,
  type GenerateTextOptions,
  generateText,
  type TokenLogProb,
} from '../../decode/index.ts'
import { contextOf } from '../context-flags.ts'
import { interruptible } from '../exit.ts'
import { decimals, thousands } from '../format.ts'
import type { GenerateFlags } from '../generate.ts'
import { type GivenOptions, refuseForeign } from '../modality.ts'
import { modalityOf, withModel } from '../model.ts'
import { readStdin } from '../stdin.ts'
import { note, styled, write, writeJson } from '../terminal.ts'
import { drawSeed } from './draw-seed.ts'
import { openForm } from './output-form.ts'

/** What was generated so far. */
interface Generated {
  text: string
  readonly tokens: GeneratedToken[]
  /** Seconds until the first piece of text, and until the last. */
  first: number
  last: number
  finish: FinishReason | undefined
}

/** `nextx generate`. */
export async function generateAction(
  name: string,
  prompt: string | undefined,
  flags: GenerateFlags,
  { given, own }: GivenOptions,
): Promise<void> {
  const modality = await modalityOf(name)
  refuseForeign(given, own, modality, `the model '${name}'`)
  if (modality === 'text') return generateTextAction(name, prompt, flags)
  if (prompt !== undefined)
    throw new OptionError(`a prompt is for text, and the model '${name}' is of pictures`, { fix: 'say what to draw with --class' })
  const { generatePicturesAction } = await import('./generate-pictures.ts')
  return generatePicturesAction(name, flags)
}

async function generateTextAction(name: string, promptArgument: string | undefined, flags: GenerateFlags): Promise<void> {
  await interruptible(async (signal) => {
    const prompt = await readPrompt(promptArgument, signal)
    await withModel(name, { ...flags, ...contextOf(flags), signal }, async (model) => {
      const seed = flags.seed ?? drawSeed()
      await using form = await openForm(flags, model, signal)
      const { constraint } = form
      const pieces = generateText(model.stepper, model.tokenizer, prompt, { ...optionsOf(flags), constraint, seed, signal })
      const generated: Generated = { text: '', tokens: [], first: 0, last: 0, finish: undefined }
      try {
        if (flags.echo === true) write(prompt)
        await collect(pieces, generated, flags.json === true ? () => undefined : write)
      } finally {
        if (flags.json !== true) endLine(generated.text)
        if (flags.stats === true && generated.tokens.length > 0) printStats(generated, seed)
      }
      if (flags.json === true) writeJson(summary(generated, seed, model.tokenizer, prompt))
    })
  })
}

/** One line break at the end of piped input is the shell's, not the prompt's. */
async function readPrompt(argument: string | undefined, signal: AbortSignal): Promise<string> {
  const piped = argument === undefined && process.stdin.isTTY !== true
  if (argument !== '-' && !piped) return argument ?? ''
  return (await readStdin('the prompt', signal)).replace(/\r?\n$/, '')
}

/** What the library takes of them. */
export function optionsOf(flags: GenerateFlags): GenerateTextOptions {
  const { topLogprobs, echo: _echo, json: _json, stats: _stats, threads: _threads, ...others } = flags
  const { context: _context, ropeScaling: _scaling, ...shaped } = others
  const { jsonSchema: _schema, regex: _regex, grammar: _grammar, choice: _choice, ...options } = shaped
  return { ...options, ...(topLogprobs !== undefined && { topLogProbs: topLogprobs }) }
}

async function collect(pieces: AsyncIterable<GeneratedText>, generated: Generated, emit: (text: string) => void): Promise<void> {
  const start = performance.now()
  for await (const { text, tokens, finish } of pieces) {
    generated.last = (performance.now() - start) / 1000
    if (generated.tokens.length === 0) generated.first = generated.last
    generated.text += text
    generated.tokens.push(...tokens)
    generated.finish = finish
    emit(text)
  }
}

/** On a terminal the next prompt starts on a line of its own. */
function endLine(text: string): void {
  if (process.stdout.isTTY && text !== '' && !text.endsWith('\n')) write('\n')
}

/** Of the tokens after the first, whose time is that of the prompt and of the start. */
function speed({ tokens, first, last }: Generated): number {
  return tokens.length > 1 ? (tokens.length - 1) / (last - first) : 1 / first
}

function totalLogProb({ tokens }: Generated): number {
  return tokens.reduce((total, { logProb }) => total + logProb, 0)
}

function printStats(generated: Generated, seed: number): void {
  const { tokens, first, finish } = generated
  const total = totalLogProb(generated)
  const lines = [
    `${thousands(tokens.length)} tokens, ${thousands(speed(generated))} tokens/s after the first, which took ${decimals(first, 2)} s`,
    `log-probability ${decimals(total, 2)}, ${decimals(total / tokens.length, 3)} per token`,
    `seed ${seed}${finish === undefined ? '' : `, finish: ${finish}`}`,
  ]
  note(styled('dim', `${process.stderr.isTTY ? '\n' : ''}${lines.join('\n')}`, process.stderr))
}

function summary(generated: Generated, seed: number, tokenizer: TextTokenizer, prompt: string) {
  const { text, tokens, finish, first, last } = generated
  const before = [tokenizer.encode(prompt).at(-1) ?? tokenizer.startToken, ...tokens.map(({ token }) => token)]
  return {
    text,
    tokens: tokens.map((token, i) => jsonToken(token, before[i], tokenizer)),
    logProb: totalLogProb(generated),
    finish,
    seed,
    seconds: last,
    secondsToFirst: first,
    tokensPerSecond: speed(generated),
  }
}

function jsonToken({ token, logProb, topLogProbs }: GeneratedToken, previous: number | undefined, tokenizer: TextTokenizer) {
  const withText = (one: TokenLogProb) => ({ ...one, text: textAfter(previous, one.token, tokenizer) })
  return { ...withText({ token, logProb }), ...(topLogProbs && { topLogProbs: topLogProbs.map(withText) }) }
}

/** What a token adds to the one before it, on which a space may depend. */
function textAfter(previous: number | undefined, token: number, tokenizer: TextTokenizer): string {
  if (previous === undefined) return tokenizer.decode([token])
  const [start, both] = [tokenizer.decode([previous]), tokenizer.decode([previous, token])]
  return both.startsWith(start) ? both.slice(start.length) : tokenizer.decode([token])
}

import process from 'node:process'
import type { TextData } from '../../systems/index.ts'
import type { FitEvent, FitReport } from '../../train/index.ts'
import { decimals, duration, thousands } from '../format.ts'
import { openBar } from '../progress.ts'
import { note, oneLine, styled, withoutControls, writeJsonLine, writeLines } from '../terminal.ts'
import type { TrainFlags } from '../train.ts'
import { checkpointFolder } from './train-settings.ts'

/** Tells how a training goes. */
export interface TrainingReport {
  reading(files: readonly string[]): void
  /** @param tokensPerStep tokens of one update */
  data(data: TextData, tokensPerStep: number): void
  event(event: FitEvent): void
  sample(step: number, prompt: string, text: string): void
  interrupted(report: FitReport): void
  finished(report: FitReport, out: string): void
  /** Takes the bar off the screen. */
  close(): void
}

/** A report as JSON lines on stdout, or for people on stderr: with a bar on a terminal, a line now and then elsewhere. */
export function openReport(flags: TrainFlags): TrainingReport {
  return flags.json === true ? new JsonReport(flags) : new TextReport(flags)
}

class JsonReport implements TrainingReport {
  constructor(private readonly flags: TrainFlags) {}

  reading(): void {}

  data(data: TextData, tokensPerStep: number): void {
    writeJsonLine({ kind: 'data', ...sizes(data), tokensPerStep })
  }

  event(event: FitEvent): void {
    writeJsonLine(event)
  }

  sample(step: number, prompt: string, text: string): void {
    writeJsonLine({ kind: 'sample', step, prompt, text })
  }

  interrupted(): void {}

  finished(report: FitReport, out: string): void {
    writeJsonLine({ kind: 'finished', ...report, model: out, checkpoints: checkpointFolder(this.flags) })
  }

  close(): void {}
}

/** Lines about steps in a run without a terminal. */
const sparseLines = 20

class TextReport implements TrainingReport {
  readonly #flags: TrainFlags
  readonly #bar = openBar('training', 'steps')
  #tokensPerStep = 0
  /** A running mean of an update's seconds, without the first update, which includes the compilation. */
  #seconds: number | undefined
  #warm = false

  constructor(flags: TrainFlags) {
    this.#flags = flags
  }

  reading(files: readonly string[]): void {
    if (process.stderr.isTTY) note(styled('dim', `reading ${oneLine(files.join(' '))}`, process.stderr))
  }

  data(data: TextData, tokensPerStep: number): void {
    this.#tokensPerStep = tokensPerStep
    const { tokenizer, vocabulary, training, validation, documents } = sizes(data)
    const parts = `${thousands(training)} tokens to train on, ${thousands(validation)} held out`
    note(
      `${thousands(documents)} ${documents === 1 ? 'document' : 'documents'}, ${parts}; tokenizer: ${tokenizer}, ${thousands(vocabulary)} ids`,
    )
  }

  event(event: FitEvent): void {
    if (event.kind === 'started') this.#started(event)
    else if (event.kind === 'step') this.#step(event)
    else if (event.kind === 'validation') {
      this.#line(`step ${thousands(event.step)}: validation loss ${decimals(event.loss, 4)}${event.best ? '' : ' (not the best)'}`)
    } else if (event.kind === 'stopped' || event.kind === 'failed') this.close()
  }

  sample(_step: number, prompt: string, text: string): void {
    if (!process.stderr.isTTY && this.#flags.samplePrompt === undefined) return
    const lines = withoutControls(prompt + text).split('\n')
    this.#line(lines.map((line) => styled('dim', `  | ${line}`, process.stderr)).join('\n'))
  }

  interrupted({ step }: FitReport): void {
    note(
      step === 0
        ? 'stopped before the first step'
        : `stopped after step ${thousands(step)}; the same command with --resume goes on`,
    )
  }

  finished({ step, loss, best, stopped }: FitReport, out: string): void {
    const place = `${checkpointFolder(this.#flags)}/best`
    writeLines([
      `model       ${oneLine(out)}`,
      `steps       ${thousands(step)}${stopped === 'stalled' ? ' (validation no longer improved)' : ''}`,
      ...(loss === undefined ? [] : [`loss        ${decimals(loss, 4)} nats per token, of the last step`]),
      ...(best === undefined
        ? []
        : [`validation  ${decimals(best.loss, 4)} nats per token at step ${thousands(best.step)}, the best: ${oneLine(place)}`]),
    ])
  }

  close(): void {
    this.#bar.close()
  }

  #started({ step, parameters, resumedFrom, damaged = [] }: Extract<FitEvent, { kind: 'started' }>): void {
    note(`${thousands(parameters)} parameters, ${thousands(this.#tokensPerStep)} tokens per step`)
    for (const { path, problem } of damaged) note(`passed over the damaged checkpoint ${oneLine(path)}: ${oneLine(problem)}`)
    if (resumedFrom !== undefined) note(`going on after step ${thousands(step)}`)
  }

  #step({ step, loss, learningRate, seconds }: Extract<FitEvent, { kind: 'step' }>): void {
    const { steps } = this.#flags
    if (this.#warm) this.#seconds = this.#seconds === undefined ? seconds : 0.9 * this.#seconds + 0.1 * seconds
    this.#warm = true
    const mean = this.#seconds ?? seconds
    const speed = `${thousands(this.#tokensPerStep / mean)} tokens/s`
    const left = `${duration((steps - step) * mean)} left`
    this.#bar.show(step, steps, `loss ${decimals(loss, 3)}  ${speed}  ${left}`)
    const due = step % Math.max(1, Math.ceil(steps / sparseLines)) === 0 || step === steps
    if (!process.stderr.isTTY && due)
      note(`step ${thousands(step)}/${thousands(steps)}: loss ${decimals(loss, 4)}, rate ${learningRate.toPrecision(3)}, ${speed}`)
  }

  /** A line above the bar, which comes back with the next step. */
  #line(text: string): void {
    this.#bar.close()
    note(text)
  }
}

function sizes({ tokenizer, train, validation, documents }: TextData) {
  const { kind, vocabularySize } = tokenizer
  return { tokenizer: kind, vocabulary: vocabularySize, training: train.length, validation: validation.length, documents }
}

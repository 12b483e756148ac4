import process from 'node:process'
import type { FitEvent, FitReport } from '../../train/index.ts'
import { decimals, duration, thousands } from '../format.ts'
import { type Bar, openBar } from '../progress.ts'
import { note, oneLine, styled, writeJsonLine, writeLines } from '../terminal.ts'
import type { TrainFlags } from '../train.ts'
import { checkpointFolder } from './train-settings.ts'

/** What a training counts. */
export interface ReportUnits {
  /** What an update reads. */
  readonly unit: 'tokens' | 'pictures'
  /** What follows a loss. */
  readonly loss: string
}

/** Tells how a training goes. */
export interface TrainingReport {
  reading(files: readonly string[]): void
  /** @param perStep units of one update */
  data(description: string, facts: object, perStep: number): void
  /** What is trained from here on, where it is not the model alone. */
  stage(name: string, perStep: number): void
  event(event: FitEvent): void
  /** @param wanted to be told of without a terminal, too */
  sample(facts: object, lines: readonly string[], wanted: boolean): void
  interrupted(report: FitReport): void
  finished(report: FitReport, out: string): void
  /** Takes the bar off the screen. */
  close(): void
}

/** A report as JSON lines on stdout, or for people on stderr: with a bar on a terminal, a line now and then elsewhere. */
export function openReport(flags: TrainFlags, units: ReportUnits): TrainingReport {
  return flags.json === true ? new JsonReport(flags, units) : new TextReport(flags, units)
}

class JsonReport implements TrainingReport {
  #stage: string | undefined

  constructor(
    private readonly flags: TrainFlags,
    private readonly units: ReportUnits,
  ) {}

  reading(): void {}

  data(_description: string, facts: object, perStep: number): void {
    writeJsonLine({ kind: 'data', ...facts, [`${this.units.unit}PerStep`]: perStep })
  }

  stage(name: string): void {
    this.#stage = name
  }

  event(event: FitEvent): void {
    writeJsonLine(this.#stage === undefined ? event : { ...event, stage: this.#stage })
  }

  sample(facts: object): void {
    writeJsonLine({ kind: 'sample', ...facts })
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
  readonly #units: ReportUnits
  #bar: Bar = openBar('training', 'steps')
  #stage = ''
  #perStep = 0
  #steps = 0
  /** A running mean of an update's seconds, without the first update, which includes the compilation. */
  #seconds: number | undefined
  #warm = false

  constructor(flags: TrainFlags, units: ReportUnits) {
    this.#flags = flags
    this.#units = units
  }

  reading(files: readonly string[]): void {
    if (process.stderr.isTTY) note(styled('dim', `reading ${oneLine(files.join(' '))}`, process.stderr))
  }

  data(description: string, _facts: object, perStep: number): void {
    this.#perStep = perStep
    note(description)
  }

  stage(name: string, perStep: number): void {
    this.#bar.close()
    this.#bar = openBar(name, 'steps')
    this.#stage = `${name}: `
    this.#perStep = perStep
    this.#seconds = undefined
    this.#warm = false
  }

  event(event: FitEvent): void {
    if (event.kind === 'started') this.#started(event)
    else if (event.kind === 'step') this.#step(event)
    else if (event.kind === 'validation') {
      this.#line(
        `${this.#stage}step ${thousands(event.step)}: validation loss ${decimals(event.loss, 4)}${event.best ? '' : ' (not the best)'}`,
      )
    } else if (event.kind === 'stopped' || event.kind === 'failed') this.close()
  }

  sample(_facts: object, lines: readonly string[], wanted: boolean): void {
    if (process.stderr.isTTY || wanted) this.#line(lines.join('\n'))
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
      ...(loss === undefined ? [] : [`loss        ${decimals(loss, 4)}${this.#units.loss}, of the last step`]),
      ...(best === undefined
        ? []
        : [
            `validation  ${decimals(best.loss, 4)}${this.#units.loss} at step ${thousands(best.step)}, the best: ${oneLine(place)}`,
          ]),
    ])
  }

  close(): void {
    this.#bar.close()
  }

  #started({ step, steps, parameters, resumedFrom, damaged = [] }: Extract<FitEvent, { kind: 'started' }>): void {
    this.#steps = steps
    note(`${this.#stage}${thousands(parameters)} parameters, ${thousands(this.#perStep)} ${this.#units.unit} per step`)
    for (const { path, problem } of damaged) note(`passed over the damaged checkpoint ${oneLine(path)}: ${oneLine(problem)}`)
    if (resumedFrom !== undefined) note(`going on after step ${thousands(step)}`)
  }

  #step({ step, loss, learningRate, seconds }: Extract<FitEvent, { kind: 'step' }>): void {
    const steps = this.#steps
    if (this.#warm) this.#seconds = this.#seconds === undefined ? seconds : 0.9 * this.#seconds + 0.1 * seconds
    this.#warm = true
    const mean = this.#seconds ?? seconds
    const speed = `${thousands(this.#perStep / mean)} ${this.#units.unit}/s`
    const left = `${duration((steps - step) * mean)} left`
    this.#bar.show(step, steps, `loss ${decimals(loss, 3)}  ${speed}  ${left}`)
    const due = step % Math.max(1, Math.ceil(steps / sparseLines)) === 0 || step === steps
    if (!process.stderr.isTTY && due)
      note(
        `${this.#stage}step ${thousands(step)}/${thousands(steps)}: loss ${decimals(loss, 4)}, rate ${learningRate.toPrecision(3)}, ${speed}`,
      )
  }

  /** A line above the bar, which comes back with the next step. */
  #line(text: string): void {
    this.#bar.close()
    note(text)
  }
}

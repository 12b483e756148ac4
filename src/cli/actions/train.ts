import { DataError } from '../../base/errors.ts'
import { exists } from '../../platform/files.ts'
import { type Device, openDevice } from '../../platform/index.ts'
import {
  createModel,
  loadSystem,
  modelFiles,
  readTextData,
  saveModel,
  type TextData,
  type TextModel,
  textTask,
} from '../../systems/index.ts'
import { type FitReport, fit } from '../../train/index.ts'
import { Exit, exitCodes, interruptible } from '../exit.ts'
import type { TrainFlags } from '../train.ts'
import { openReport, type TrainingReport } from './train-report.ts'
import { sampler } from './train-sample.ts'
import { checkPreset, fitOptions, modelOptions, tokenizerChoice } from './train-settings.ts'

/** `nextx train`. */
export async function trainAction(flags: TrainFlags): Promise<void> {
  await interruptible(async (signal) => {
    await refuseOverwriting(flags)
    checkPreset(await loadSystem(flags.system), flags.preset)
    const report = openReport(flags)
    try {
      report.reading(flags.data)
      const data = await readData(flags, signal)
      const device = await openDevice(flags.threads === undefined ? {} : { threads: flags.threads })
      try {
        await trainOn(device, data, flags, report, signal)
      } finally {
        await device[Symbol.asyncDispose]()
      }
    } finally {
      report.close()
    }
  })
}

/** Before the work, not after it. */
async function refuseOverwriting({ out, resume }: TrainFlags): Promise<void> {
  if (resume === true || !(await exists(out))) return
  throw new DataError(`'${out}' exists already`, { fix: 'give another folder with --out, or go on with the run by --resume' })
}

async function readData({ data, format, field, tokenizer, validation, seed }: TrainFlags, signal: AbortSignal): Promise<TextData> {
  const documents = format === 'jsonl' ? { files: data, format, field: field ?? 'text' } : { files: data, format }
  return readTextData({ documents, tokenizer: await tokenizerChoice(tokenizer), validation, seed, signal })
}

async function trainOn(
  device: Device,
  data: TextData,
  flags: TrainFlags,
  report: TrainingReport,
  signal: AbortSignal,
): Promise<void> {
  const { batch, seed, out, system: id, accumulate } = flags
  const system = await loadSystem(id)
  const { tokenizer } = data
  const model = await createModel({ system, options: modelOptions(system, tokenizer, flags), tokenizer, device, seed })
  try {
    const { context } = model.network.model
    report.data(data, context * batch * accumulate)
    const sample = sampler(model, data, flags, signal)
    const task = textTask(model, {
      train: data.train,
      validation: data.validation,
      batch,
      seed,
      validationBatches: mostValidationBatches,
    })
    const result = await fit(task, {
      ...fitOptions(flags, model.network.model.width),
      device,
      signal,
      files: modelFiles(model),
      onEvent: (event) => report.event(event),
      onValidation: async ({ step }) => report.sample(step, sample.prompt, await sample.draw()),
    })
    await finish(model, result, out, report)
  } finally {
    await model[Symbol.asyncDispose]()
  }
}

/** Enough for two digits of the loss; the whole held-out part of a large corpus would take longer than the training. */
const mostValidationBatches = 64

async function finish(model: TextModel, result: FitReport, out: string, report: TrainingReport): Promise<void> {
  report.close()
  if (result.stopped === 'aborted') {
    report.interrupted(result)
    throw new Exit(exitCodes.interrupted)
  }
  await saveModel(model, out)
  report.finished(result, out)
}

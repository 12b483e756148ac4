import type { Device } from '../../platform/index.ts'
import { createModel, loadSystem, modelFiles, readTextData, saveModel, type TextData, textTask } from '../../systems/index.ts'
import { fit } from '../../train/index.ts'
import { thousands } from '../format.ts'
import type { TrainFlags } from '../train.ts'
import { openReport, type TrainingReport } from './train-report.ts'
import { endIfStopped, mostValidationBatches, withDevice } from './train-run.ts'
import { sampleLines, sampler } from './train-sample.ts'
import { batchOf, checkPreset, fitOptions, modelOptions, tokenizerChoice } from './train-settings.ts'

/** `nextx train` with a system of text. */
export async function trainText(flags: TrainFlags, signal: AbortSignal): Promise<void> {
  checkPreset(await loadSystem(flags.system), flags.preset)
  const report = openReport(flags, { unit: 'tokens', loss: ' nats per token' })
  report.reading(flags.data)
  const data = await readData(flags, signal)
  await withDevice(flags, report, (device) => trainOn(device, data, flags, report, signal))
}

async function readData({ data, format, field, tokenizer, validation, seed }: TrainFlags, signal: AbortSignal): Promise<TextData> {
  const documents = format === 'jsonl' ? { files: data, format, field: field ?? 'text' } : { files: data, format }
  return readTextData({ documents, tokenizer: await tokenizerChoice(tokenizer ?? 'characters'), validation, seed, signal })
}

async function trainOn(
  device: Device,
  data: TextData,
  flags: TrainFlags,
  report: TrainingReport,
  signal: AbortSignal,
): Promise<void> {
  const { seed, out, system: id, accumulate } = flags
  const batch = batchOf(flags, 'text')
  const system = await loadSystem(id)
  const { tokenizer } = data
  const model = await createModel({ system, options: modelOptions(system, tokenizer, flags), tokenizer, device, seed })
  try {
    const { context } = model.network.model
    report.data(descriptionOf(data), sizes(data), context * batch * accumulate)
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
      onValidation: async ({ step }) => {
        const { prompt } = sample
        const text = await sample.draw()
        report.sample({ step, prompt, text }, sampleLines(prompt + text), flags.samplePrompt !== undefined)
      },
    })
    endIfStopped(result, report)
    await saveModel(model, out)
    report.finished(result, out)
  } finally {
    await model[Symbol.asyncDispose]()
  }
}

function sizes({ tokenizer, train, validation, documents }: TextData) {
  const { kind, vocabularySize } = tokenizer
  return { tokenizer: kind, vocabulary: vocabularySize, training: train.length, validation: validation.length, documents }
}

function descriptionOf(data: TextData): string {
  const { tokenizer, vocabulary, training, validation, documents } = sizes(data)
  const parts = `${thousands(training)} tokens to train on, ${thousands(validation)} held out`
  return `${thousands(documents)} ${documents === 1 ? 'document' : 'documents'}, ${parts}; tokenizer: ${tokenizer}, ${thousands(vocabulary)} ids`
}

import process from 'node:process'
import { encodePng, pictureGrid } from '../../formats/index.ts'
import { makeDirectory, writeFileAtomic } from '../../platform/files.ts'
import { decodeCodes, type GenerateImagesOptions, generateCodes, type ImageModel } from '../../systems/index.ts'
import { oneLine, pictureColours, styled } from '../terminal.ts'
import type { TrainFlags } from '../train.ts'
import { screenLines } from './picture-screen.ts'
import type { TrainingReport } from './train-report.ts'

/** The folder of a run's samples: beside the model, as a model's folder holds nothing else. */
export function sampleFolder({ out }: Pick<TrainFlags, 'out'>): string {
  return `${out.replace(/[\\/]+$/, '')}-samples`
}

/** Draws pictures from the weights of this moment into a file, and shows them on a terminal. An interrupted sample is left out. */
export async function showSamples(
  model: ImageModel,
  options: GenerateImagesOptions,
  step: number,
  flags: TrainFlags,
  report: TrainingReport,
): Promise<void> {
  try {
    const pictures = await decodeCodes(model.tokenizer, await generateCodes(model, options), { device: model.device })
    await makeDirectory(sampleFolder(flags))
    const file = `${sampleFolder(flags)}/step-${String(step).padStart(6, '0')}.png`
    await writeFileAtomic(file, encodePng(pictureGrid(pictures, { gap: 2, scale: 2 })))
    report.sample({ step, file }, linesOf(pictures, file), true)
  } catch (error) {
    if (options.signal?.aborted !== true) throw error
  } finally {
    await model.refresh()
  }
}

/** Most lines that a sample takes on a terminal. */
const mostLines = 16

function linesOf(pictures: Parameters<typeof screenLines>[0], file: string): string[] {
  const caption = styled('dim', `  samples: ${oneLine(file)}`, process.stderr)
  const colours = pictureColours(process.stderr)
  if (colours === undefined) return [caption]
  return screenLines(pictures, caption, colours, { columns: process.stderr.columns ?? 80, lines: mostLines })
}

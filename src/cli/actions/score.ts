import { scoreText, type TextScore } from '../../systems/index.ts'
import { contextOf } from '../context-flags.ts'
import { interruptible } from '../exit.ts'
import { decimals, table, thousands } from '../format.ts'
import { type GivenOptions, refuseForeign } from '../modality.ts'
import { modalityOf, withModel } from '../model.ts'
import { openBar } from '../progress.ts'
import { readText } from '../read-text.ts'
import type { ScoreFlags } from '../score.ts'
import { readStdin } from '../stdin.ts'
import { writeJson, writeLines } from '../terminal.ts'

/** `nextx score`. */
export async function scoreAction(name: string, file: string, flags: ScoreFlags, { given, own }: GivenOptions): Promise<void> {
  const modality = await modalityOf(name)
  refuseForeign(given, own, modality, `the model '${name}'`)
  if (modality === 'text') return scoreTextAction(name, file, flags)
  const { scorePicturesAction } = await import('./score-pictures.ts')
  return scorePicturesAction(name, file, flags)
}

async function scoreTextAction(name: string, file: string, flags: ScoreFlags): Promise<void> {
  await interruptible(async (signal) => {
    const text = file === '-' ? await readStdin('the text', signal) : await readText(file)
    const score = await withModel(name, { ...flags, ...contextOf(flags), signal }, async (model) => {
      const bar = openBar('scoring', 'tokens')
      try {
        return await scoreText(model, text, { signal, onProgress: (done, total) => bar.show(done, total) })
      } finally {
        bar.close()
      }
    })
    if (flags.json === true) writeJson(score)
    else writeLines(tableOf(score))
  })
}

function tableOf(score: TextScore): string[] {
  const rows = [
    ['', 'nats', 'bits'],
    ['per token', decimals(score.natsPerToken, 4), decimals(score.bitsPerToken, 4)],
    ['per byte', decimals(score.natsPerByte, 4), decimals(score.bitsPerByte, 4)],
  ]
  const totals = [
    ['perplexity', decimals(score.perplexity, 3)],
    ['tokens', thousands(score.tokens)],
    ['bytes', thousands(score.bytes)],
    ['log-probability', decimals(score.logProb, 3)],
  ]
  return [...table(rows, ['left', 'right', 'right']), '', ...table(totals, ['left', 'right'])]
}

import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { encodePng, pictureGrid } from 'nextx/formats'
import { arms, sampleOptions } from './arms.ts'
import { openArmDevice, runs } from './setup.ts'
import { armModel, drawn } from './train-arm.ts'

// tsx bench/image/sheets.ts: a contact sheet of every arm that was trained with seed 1, into docs/images/: three of each class, one class a column.

const folder = new URL('../../docs/images/', import.meta.url)
mkdirSync(folder, { recursive: true })
for (const [name, { sampling = {} }] of Object.entries(arms)) {
  if (!existsSync(`${runs}arms/${name}-1.trained.json`)) continue
  await using device = await openArmDevice()
  await using model = await armModel({ name, seed: 1, quick: false }, device)
  const pictures = await drawn(model, model.classes, 3 * model.classes.length, sampleOptions(sampling))
  const sheet = pictureGrid(pictures, { columns: model.classes.length, gap: 1, scale: 2 })
  writeFileSync(new URL(`${name}.png`, folder), encodePng(sheet))
  console.log(`${name}: docs/images/${name}.png`)
}

import { createRng, fit } from 'nextx'
import { initialize } from 'nextx/nn'
import { createImageModel, generateCodes, imageTask, loadImageSystem } from 'nextx/systems'
import { arms } from './arms.ts'
import { first, labelledCodes, openArmDevice, pictureSet, recipes } from './setup.ts'

const set = await pictureSet('fashion')
const few = first(set.train, 64)
const device = await openArmDevice()
for (const [name, arm] of Object.entries(arms)) {
  if (process.argv.length > 2 && !process.argv.includes(name)) continue
  const t = performance.now()
  try {
    const made = recipes[arm.tokenizer].make()
    await initialize(made, createRng(1))
    const model = await createImageModel({
      system: await loadImageSystem(arm.system),
      options: arm.options ?? {},
      tokenizer: made,
      classes: few.classes,
      device,
      seed: 1,
    })
    const codes = await labelledCodes(made, few, device)
    let last = performance.now()
    const times: number[] = []
    await fit(imageTask(model, { train: codes, validation: codes, batch: 32, seed: 1 }), {
      device,
      steps: 4,
      learningRate: 1e-3,
      validateEvery: 4,
      onEvent: (e) => {
        if (e.kind === 'step') {
          times.push(performance.now() - last)
          last = performance.now()
        }
      },
    })
    await generateCodes(model, { classes: [1, 2], seed: 1, ...arm.sampling })
    console.log(name, 'ok', ((performance.now() - t) / 1000).toFixed(1), 's; step ms', times.map((x) => x.toFixed(0)).join(' '))
    await model[Symbol.asyncDispose]()
  } catch (error) {
    console.log(name, 'FAILED', error instanceof Error ? error.message.slice(0, 300) : error)
  }
}
await device[Symbol.asyncDispose]()

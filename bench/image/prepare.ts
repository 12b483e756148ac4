import { openPictureJudge } from '../lib/picture-metrics.ts'
import { type DataName, openArmDevice, pictureSet, runs, type TokenizerName, tokenizer } from './setup.ts'

// tsx bench/image/prepare.ts <fashion|digits> <judges|tokenizer name>: trains what arms share, unless runs/ has it.

const [data = '', what = ''] = process.argv.slice(2)
const device = await openArmDevice()
const set = await pictureSet(data as DataName)
const start = performance.now()
if (what === 'judges') {
  const judge = await openPictureJudge(set, { device, folder: `${runs}judges` })
  console.log(JSON.stringify({ data, what, ...judge.heldOut }))
} else await tokenizer(what as TokenizerName, data as DataName, set, device)
console.log(`${data} ${what}: ${((performance.now() - start) / 1000).toFixed(0)} s`)
await device[Symbol.asyncDispose]()

import { setTimeout } from 'node:timers/promises'
import { fixedIds } from '../engine/ids.ts'
import { uniformGenerator } from '../lib/random.ts'

export interface SoakTally {
  finished: number
  left: number
  refused: number
  failed: string[]
  bytes: number
}

interface Ask {
  readonly path: string
  readonly body: object
}

const words = ['once', 'there', 'was', 'a', 'cat', 'who', 'liked', 'to', 'count']

/** One of all kinds, with a length of its own. */
function randomAsk(uniform: () => number, index: number): Ask {
  const below = (most: number) => Math.floor(uniform() * most)
  const model = 'bench'
  const prompt = [...fixedIds(index % 40, 8 + below(120))]
  const text = Array.from({ length: 3 + below(20) }, () => words[below(words.length)]).join(' ')
  const common = { model, seed: index, max_tokens: 4 + below(60) }
  const kinds: readonly Ask[] = [
    { path: '/v1/completions', body: { ...common, prompt, stream: true, ignore_eos: true } },
    { path: '/v1/completions', body: { ...common, prompt, n: 2, temperature: 0.7, top_p: 0.9 } },
    { path: '/v1/completions', body: { ...common, prompt, stream: true, logprobs: 3, user: `user ${index % 5}` } },
    { path: '/v1/completions', body: { ...common, prompt, regex: '[a-z]{1,40}' } },
    { path: '/v1/embeddings', body: { model, input: [text] } },
    { path: '/v1/score', body: { model, input: text } },
    { path: '/tokenize', body: { model, prompt: text } },
    { path: '/v1/completions', body: { model, prompt: text, temperature: 9 } },
  ]
  return kinds[below(kinds.length)]!
}

/** So many clients for so long, of whose requests a share is left at a random moment. What is refused as invalid counts as finished. */
export async function soakServer(
  url: string,
  { seconds, clients, share, seed }: { seconds: number; clients: number; share: number; seed: number },
): Promise<SoakTally> {
  const uniform = uniformGenerator(seed)
  const tally: SoakTally = { finished: 0, left: 0, refused: 0, failed: [], bytes: 0 }
  const end = performance.now() + seconds * 1e3
  let index = 0
  const client = async () => {
    while (performance.now() < end) {
      await one(url, randomAsk(uniform, index++), uniform() < share ? Math.ceil(1000 * uniform()) : undefined, tally)
      await setTimeout(100 * uniform())
    }
  }
  await Promise.all(Array.from({ length: clients }, client))
  return tally
}

async function one(url: string, { path, body }: Ask, patience: number | undefined, tally: SoakTally): Promise<void> {
  const signal = patience === undefined ? undefined : AbortSignal.timeout(patience)
  try {
    const response = await fetch(url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      ...(signal && { signal }),
    })
    tally.bytes += (await response.text()).length
    if (response.status === 429) tally.refused++
    else if (response.ok || response.status === 422) tally.finished++
    else tally.failed.push(`${path}: ${response.status}`)
  } catch (error) {
    if (signal?.aborted) tally.left++
    else tally.failed.push(`${path}: ${String(error)}`)
  }
}

import * as v from 'valibot'
import { wholeNumber } from '../../base/options.ts'
import { invalid } from '../api-error.ts'
import { readBody } from '../read-body.ts'
import type { Endpoint } from '../service.ts'
import { charactersOf } from '../text/conversation.ts'
import { chatOf, encodePrompt, refuseLonger } from '../text/text-host.ts'
import { tokenText } from '../text/token-texts.ts'
import { chatSchema, templateMessage } from './chat-request.ts'
import { type EndpointContext, useText } from './context.ts'
import { duringLease } from './deliver.ts'

/** `POST /tokenize`: ids of a text, or of a conversation up to where its answer begins. */
export function tokenize(context: EndpointContext): Endpoint {
  const messages = chatSchema(context.limits).entries.messages
  const schema = v.strictObject({
    model: v.string(),
    prompt: v.optional(v.string()),
    messages: v.optional(messages),
    /** Begin with the start token, of a prompt. */
    add_special_tokens: v.optional(v.boolean()),
    /** Also say what each id stands for. */
    with_pieces: v.optional(v.boolean(), false),
  })
  return {
    method: 'POST',
    path: '/tokenize',
    async answer({ body: given }, call) {
      const body = readBody(schema, given)
      const { model, prompt, add_special_tokens: special } = body
      if ((prompt === undefined) === (body.messages === undefined)) throw invalid('prompt', 'expected either prompt or messages')
      if (body.messages !== undefined && special !== undefined)
        throw invalid('add_special_tokens', 'a chat template says where special tokens are')
      const turns = (body.messages ?? []).map(templateMessage)
      const characters = prompt === undefined ? charactersOf({ messages: turns, tools: [] }) : prompt.length
      refuseLonger(prompt === undefined ? 'messages' : 'prompt', characters, context.limits.promptCharacters)
      const lease = await useText(context, model, call)
      return duringLease(lease, async () => {
        const { host } = lease
        const tokens =
          prompt === undefined
            ? chatOf(host, model).encode(turns, { addGenerationPrompt: true })
            : special === false
              ? host.tokenizer.encode(prompt)
              : encodePrompt(host, prompt)
        const pieces = body.with_pieces ? { pieces: tokens.map((id) => ({ id, ...tokenText(host.tokenizer, id) })) } : {}
        return { kind: 'json', body: { model, tokens, count: tokens.length, max_model_len: host.engine.contextLength, ...pieces } }
      })
    },
  }
}

/** `POST /detokenize`: the text of ids. */
export function detokenize(context: EndpointContext): Endpoint {
  const schema = v.strictObject({ model: v.string(), tokens: v.array(wholeNumber(0, 2 ** 31 - 1)) })
  return {
    method: 'POST',
    path: '/detokenize',
    async answer({ body: given }, call) {
      const { model, tokens } = readBody(schema, given)
      const lease = await useText(context, model, call)
      return duringLease(lease, async () => {
        const { tokenizer } = lease.host
        const foreign = tokens.find((id) => id >= tokenizer.vocabularySize)
        if (foreign !== undefined)
          throw invalid('tokens', `there is no token ${foreign}, expected ids below ${tokenizer.vocabularySize}`)
        return { kind: 'json', body: { model, prompt: tokenizer.decode(tokens) } }
      })
    },
  }
}

/**
 * The shared documents of a node behind the local API. One is open in the replica, that is: a Y.Doc in memory that takes what comes,
 * for as long as somebody follows it.
 */
import { CausewayError, type SharedNews, type SharedView, type SharedWritten } from '@causeway/protocol'
import type { SharedEffect, WrittenEffect } from '@causeway/state'
import type { SharedBackend } from './api-backend.ts'

/** What they need of whoever drives the replica. */
export interface SharedDriver {
  readonly shared: { client(): number; state(name: string): Uint8Array; close(name: string): void }
  onShared(listener: (news: SharedEffect) => void): () => void
  write(name: string, update: Uint8Array): Promise<WrittenEffect>
}

export class NodeShared implements SharedBackend {
  readonly #driver: SharedDriver
  readonly #followers = new Map<string, Set<(news: SharedNews) => void>>()

  constructor(driver: SharedDriver) {
    this.#driver = driver
    driver.onShared(({ name, update }) => {
      const news: SharedNews = { type: 'UPDATE', update: base64(update) }
      for (const listener of this.#followers.get(name) ?? []) listener(news)
    })
  }

  view(name: string): SharedView {
    const { shared } = this.#driver
    const view = { clientId: shared.client(), update: base64(shared.state(name)) }
    if (!this.#followers.has(name)) shared.close(name)
    return view
  }

  follow(name: string, listener: (news: SharedNews) => void): { readonly initial: SharedNews; readonly close: () => void } {
    const followers = this.#followers.get(name) ?? new Set()
    this.#followers.set(name, followers.add(listener))
    const close = (): void => {
      if (!followers.delete(listener) || followers.size > 0) return
      this.#followers.delete(name)
      this.#driver.shared.close(name)
    }
    return { initial: { type: 'STATE', ...this.view(name) }, close }
  }

  async write(name: string, updates: readonly Uint8Array[]): Promise<SharedWritten> {
    let token = ''
    for (const { result } of await Promise.all(updates.map((update) => this.#driver.write(name, update)))) {
      if (!result.ok) throw new CausewayError(result.code, result.message, result.remedy)
      token = result.token
    }
    return { token }
  }
}

function base64(update: Uint8Array): string {
  return Buffer.from(update).toString('base64')
}

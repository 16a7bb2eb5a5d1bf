/**
 * What the manifest needs of a region; every Region fulfils it by a small adapter. `get` of a name that is not there
 * gives null, and throws when the region cannot be asked. `put` never overwrites another content and resolves when the
 * bytes are durable there. `list` tells every name under a prefix, in any order, as of now (strongly consistent).
 */
export interface ManifestStore {
  readonly name: string;
  list(prefix: string, signal?: AbortSignal): AsyncIterable<string>;
  get(name: string, signal?: AbortSignal): Promise<Uint8Array | null>;
  put(name: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void>;
}

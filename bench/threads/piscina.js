// For piscina and tinypool: both call the module's exports by name.
export * from './handlers.js'

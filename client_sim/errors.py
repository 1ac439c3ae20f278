"""The base class of all errors of the phone simulator and its lab.

SimulatorError
├── CloudError      the phone's backup: `client_sim.cloud.errors`
├── DialectError    lists of existing Updater apps: `client_sim.compat.errors`
├── DeviceError     the phone: `client_sim.device.errors`
├── EngineError     its update engine: `client_sim.engine.errors`
├── FleetError      many phones: `client_sim.fleet.errors`
├── LabError        the lab: `client_sim.lab.errors`
├── OwnerError      impossible events of an owner: `client_sim.owner_events.events`
└── PersonaError    an owner's data that cannot be read: `client_sim.persona`
"""


class SimulatorError(Exception):
    """The base class; the message is one sentence that a person can act on."""

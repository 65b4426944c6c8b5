//! The data plane: workers, Open Inference Protocol, gateway.

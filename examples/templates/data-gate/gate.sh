#!/bin/sh
exec tidegate check training_data
